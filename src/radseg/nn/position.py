"""Position embeddings: one learned square grid that serves every image size, each family its way."""

from collections.abc import Callable
from typing import Any, Literal

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


def bicubic_grid(position: Float[Tensor, "G G d"], grid: Size) -> Float[Tensor, "h w d"]:
    """Return the field resampled to `grid`, bicubic, half-pixel centres: as in `transformers`.

    In float32, without antialiasing; a grid of the field's own size takes it as it is.
    """
    return _bicubic(position, grid, size=tuple(grid))


def bicubic_offset_grid(position: Float[Tensor, "G G d"], grid: Size) -> Float[Tensor, "h w d"]:
    """Return the field resampled as DINO's code does, and CLIP segmenters after it (methods spec 1.5).

    It passes the scale (side + 0.1)/G instead of the size, to be safe from rounding; so sampling points drift
    by up to 0.07 patches at the far edge.
    """
    scale = ((grid.height + 0.1) / position.shape[0], (grid.width + 0.1) / position.shape[1])
    return _bicubic(position, grid, scale_factor=scale)


def bicubic_antialiased_grid(position: Float[Tensor, "G G d"], grid: Size) -> Float[Tensor, "h w d"]:
    """Return the field resampled as DINOv2 with registers does: bicubic with antialiasing."""
    return _bicubic(position, grid, size=tuple(grid), antialias=True)


def _bicubic(position: Float[Tensor, "G G d"], grid: Size, **how: Any) -> Float[Tensor, "h w d"]:
    if tuple(position.shape[:2]) == tuple(grid):
        return position
    field = position.permute(2, 0, 1)[None].float()
    resampled = F.interpolate(field, mode="bicubic", align_corners=False, **how)
    assert tuple(resampled.shape[2:]) == tuple(grid)
    return resampled[0].permute(1, 2, 0).to(position.dtype)


Positions = Literal["bilinear-square", "bicubic", "bicubic-offset", "bicubic-antialiased"]
RESAMPLE: dict[Positions, Callable[[Float[Tensor, "G G d"], Size], Float[Tensor, "h w d"]]] = {
    "bilinear-square": resampled_grid,
    "bicubic": bicubic_grid,
    "bicubic-offset": bicubic_offset_grid,
    "bicubic-antialiased": bicubic_antialiased_grid,
}
