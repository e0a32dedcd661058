"""RADIO's position embeddings: one learned square grid that serves every image size."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.types import Size


def resampled_grid(position: Float[Tensor, "G G d"], grid: Size) -> Float[Tensor, "h w d"]:
    """Return the embeddings of a patch grid of size `grid` (spec 3.3).

    The learned field is resampled to a square as large as the longer side, then its top left part is taken,
    so a non-square image sees only part of the field. Bilinear, half-pixel centres, no antialiasing, in
    float32.

    Differs from snapshots of RADIO before 2025-06-28 (align_corners true); today's code, and the goldens, use
    false.
    """
    side = max(grid)
    if tuple(position.shape[:2]) == tuple(grid):
        return position
    field = position.permute(2, 0, 1)[None].float()
    if position.shape[0] != side:
        field = F.interpolate(field, (side, side), mode="bilinear", align_corners=False)
    return field[0, :, : grid.height, : grid.width].permute(1, 2, 0).to(position.dtype)
