"""Sliding windows on the patch grid: planning, cutting out, and putting features together again."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from radseg.errors import InputError
from radseg.types import FeatureMap, Size, Window


def plan_windows(grid: Size, *, crop: int, stride: int) -> tuple[Window, ...]:
    """Return the windows that cover `grid`, row by row; all lengths in patches (spec 4.2).

    All windows have the same size, min(crop, side) each way; the last one of a row or column is moved back so
    that it ends at the border.

    Raises:
        InputError: a stride beyond the window, which would leave patches that no window sees.
    """
    if not 1 <= stride <= crop:
        raise InputError(
            f"The stride is {stride} and the window {crop} patches wide; "
            f"the stride must be from 1 to {crop}, or patches are left out."
        )
    height, width = min(crop, grid.height), min(crop, grid.width)
    tops, lefts = _starts(grid.height, crop, stride), _starts(grid.width, crop, stride)
    return tuple(Window(top, left, height, width) for top in tops for left in lefts)


def _starts(length: int, crop: int, stride: int) -> tuple[int, ...]:
    count = max(length - crop + stride - 1, 0) // stride + 1
    return tuple(max(min(i * stride + crop, length) - crop, 0) for i in range(count))


def crop_windows(
    image: Shaped[Tensor, "c H W"], windows: Sequence[Window], *, patch: int
) -> Shaped[Tensor, "n c h w"]:
    """Return the pixels of every window; the windows must be of one size."""
    return torch.stack(
        [
            image[
                :,
                w.top * patch : (w.top + w.height) * patch,
                w.left * patch : (w.left + w.width) * patch,
            ]
            for w in windows
        ]
    )


class Stitcher:
    """Mean of window features on the patch grid, filled a few windows at a time (spec 4.4)."""

    def __init__(self, grid: Size) -> None:
        self._grid = grid
        self._sum: Tensor | None = None
        self._count: Tensor | None = None

    def add(self, windows: Sequence[Window], patches: Float[Tensor, "n p d"]) -> None:
        """Add the patch features of `windows`, patches in row-major order; sums are in at least float32."""
        if self._sum is None or self._count is None:
            kept = torch.promote_types(patches.dtype, torch.float32)
            self._sum = patches.new_zeros((*self._grid, patches.shape[-1]), dtype=kept)
            self._count = patches.new_zeros((*self._grid, 1), dtype=kept)
        for window, values in zip(windows, patches, strict=True):
            rows = slice(window.top, window.top + window.height)
            columns = slice(window.left, window.left + window.width)
            self._sum[rows, columns] += values.unflatten(0, (window.height, window.width))
            self._count[rows, columns] += 1

    def mean(self) -> FeatureMap:
        """Return the mean over the windows that saw each patch.

        Raises:
            InputError: some patch was in no window.
        """
        if self._sum is None or self._count is None or bool((self._count == 0).any()):
            raise InputError("The windows do not cover the grid.")
        return (self._sum / self._count).permute(2, 0, 1)


def stitch(patches: Float[Tensor, "n p d"], windows: Sequence[Window], grid: Size) -> FeatureMap:
    """Return the mean of the windows' patch features on the grid."""
    stitcher = Stitcher(grid)
    stitcher.add(windows, patches)
    return stitcher.mean()
