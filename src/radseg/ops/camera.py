"""Pinhole cameras: depth to points, points to pixels, points between frames; pixels are whole at centres."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from radseg.types import Intrinsics


def valid_depth(depth: Float[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Return where depth is known: finite and above zero (mapping spec 1.0)."""
    return depth.isfinite() & (depth > 0)


def unproject(
    depth: Float[Tensor, "H W"], intrinsics: Intrinsics, pixels: Int[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Return the points of some pixels in the axes of the camera, metres (mapping spec 2.1).

    Args:
        depth: metres along the optical axis, valid at `pixels`.
        pixels: flat indices, row by row; see `valid_depth`.
    """
    width = depth.shape[1]
    z = depth.flatten()[pixels]
    x = (pixels % width).to(z.dtype)
    y = pixels.div(width, rounding_mode="floor").to(z.dtype)
    columns = (
        z * ((x - intrinsics.cx) / intrinsics.fx),
        z * ((y - intrinsics.cy) / intrinsics.fy),
        z,
    )
    return torch.stack(columns, 1)


def transform(points: Float[Tensor, "n 3"], matrix: Float[Tensor, "4 4"]) -> Float[Tensor, "n 3"]:
    """Return the points after a rigid motion: rotation · point + translation, in the points' precision.

    Written out rather than as a matrix product, so that a point's result never depends on how many others
    there are: blocked products round differently at the end of a batch.
    """
    rows = matrix.to(points)
    x, y, z = points.unbind(1)
    columns = (row[0] * x + row[1] * y + row[2] * z + row[3] for row in rows[:3])
    return torch.stack(tuple(columns), 1)


def project(
    points: Float[Tensor, "n 3"], intrinsics: Intrinsics
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Return the pixel (column, row) of each point in the axes of the camera, and which the camera sees.

    A pixel is seen when it is within half a pixel of the image and in front of the camera.
    """
    x, y, z = points.unbind(1)
    front = z > 0
    depth = torch.where(front, z, 1)
    column = x / depth * intrinsics.fx + intrinsics.cx
    row = y / depth * intrinsics.fy + intrinsics.cy
    height, width = intrinsics.size
    seen = front & (column >= -0.5) & (column < width - 0.5) & (row >= -0.5) & (row < height - 0.5)
    return torch.stack([column, row], 1), seen


def limited(count: int, limit: int, generator: torch.Generator) -> Int[Tensor, " m"]:
    """Return which of `count` points to keep: `limit` at random, in ascending order, or all."""
    if count <= limit:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:limit].sort().values


def confident_pixels(confidence: Float[Tensor, " n"], limit: int) -> Int[Tensor, " m"]:
    """Return the `limit` points of highest confidence, best first (mapping spec 2.2)."""
    return confidence.argsort(descending=True, stable=True)[:limit]
