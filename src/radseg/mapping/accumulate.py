"""Sums of interpolated patch values per voxel without an image of interpolated values (mapping spec 5.3 A).

The value of a pixel is a bilinear mix of four patches, so a voxel's sum is S·F with a sparse matrix S of
voxels by patches. All pixels of one voxel within one cell of the patch grid enter S through four moments of
their position in the cell: 1, x, y, x·y.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.ops.resize import resize_antialiased
from radseg.ops.voxels import sum_rows
from radseg.types import Size


class Mixture(NamedTuple):
    """The matrix S by rows: voxel i mixes `patches[starts[i]:starts[i + 1]]`, weighted likewise."""

    patches: Int[Tensor, " k"]
    weights: Float[Tensor, " k"]
    starts: Int[Tensor, " m"]


def grid_of(values: Float[Tensor, "c h w"], image: Size) -> Float[Tensor, "c h w"]:
    """Return values on a grid no finer than the image, antialiased along the axes that shrink.

    Interpolating the result is what the reference does: antialiased bilinear resizing to the image, which
    along growing axes is plain (mapping spec 2.4).
    """
    height, width = values.shape[1:]
    return resize_antialiased(values, Size(min(height, image.height), min(width, image.width)))


def mixture(
    voxel: Int[Tensor, " n"], voxels: int, positions: Float[Tensor, "n 2"], image: Size, grid: Size
) -> Mixture:
    """Return how the pixels of each voxel mix the patches.

    Args:
        voxel: row of each pixel's voxel, each of 0 … voxels - 1 at least once.
        positions: column and row of each pixel within the image, in pixels; whole at pixel centres.
        image: size of what the grid covers, in pixels.
        grid: rows and columns of patches.
    """
    left, across = _cell(positions[:, 0], image.width, grid.width)
    top, down = _cell(positions[:, 1], image.height, grid.height)
    cells = grid.height * grid.width
    groups, group = torch.unique(voxel * cells + top * grid.width + left, return_inverse=True)
    moments = torch.stack([torch.ones_like(across), across, down, across * down], 1)
    one, x, y, xy = sum_rows(moments, group, len(groups)).unbind(1)
    top, left = (groups % cells).div(grid.width, rounding_mode="floor"), groups % grid.width
    below, right = (top + 1).clamp(max=grid.height - 1), (left + 1).clamp(max=grid.width - 1)
    corners = ((top, left), (top, right), (below, left), (below, right))
    patches = torch.stack([row * grid.width + column for row, column in corners], 1)
    weights = torch.stack([one - x - y + xy, x - xy, y - xy, xy], 1)
    rows = groups.div(cells, rounding_mode="floor")
    starts = 4 * torch.searchsorted(rows, torch.arange(voxels, device=rows.device))
    return Mixture(patches.flatten(), weights.flatten(), starts)


def mix(mixed: Mixture, values: Float[Tensor, "c h w"]) -> Float[Tensor, "m c"]:
    """Return the sums per voxel: S times the values of the patches, float32."""
    patches = values.flatten(1).float().mT.contiguous()
    return F.embedding_bag(
        mixed.patches, patches, mixed.starts, mode="sum", per_sample_weights=mixed.weights.float()
    )


def _cell(
    position: Float[Tensor, " n"], pixels: int, patches: int
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the patch before each position along one axis, and how far towards the next it is, 0 to 1.

    Half-pixel centres, as bilinear interpolation has them; beyond the outer centres the outer patch counts.
    Moments are sums of many products, so positions are float64: float32 would cost the sixth digit.
    """
    place = ((position.double() + 0.5) * (patches / pixels) - 0.5).clamp(0, patches - 1)
    first = place.floor().clamp(max=max(patches - 2, 0))
    return first.long(), place - first
