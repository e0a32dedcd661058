"""Cosines with text rows: of the patches of an image, and of many points, such as the voxels of a map."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

# Points whose float16 features are widened at once: 512 × 1152 floats stay in a core's second-level cache. A
# product with 10 columns takes 2.0 s of one thread per million voxels of 1152 channels, padded with zero rows
# to 16 columns 0.85 s (AMD EPYC, 2 cores).
_POINTS, _COLUMNS = 512, 16


def row_cosine(features: Float[Tensor, "e *p"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "r *p"]:
    """Return the cosine of every patch with every row, in the features' dtype but at least float32."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    tokens = F.normalize(features.flatten(1).to(dtype), dim=0, eps=1e-12)
    cosine = F.normalize(rows.to(tokens), dim=1, eps=1e-12) @ tokens
    return cosine.unflatten(1, features.shape[1:])


def unit_points(features: Float[Tensor, "m e"]) -> Float[Tensor, "m e"]:
    """Return the features at length 1, in float32; one without direction, or not finite, becomes zero."""
    return F.normalize(features.float().nan_to_num(0.0, 0.0, 0.0), dim=1, eps=1e-12)


def point_cosine(points: Float[Tensor, "m e"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "r m"]:
    """Return the cosine of every point with every row; arithmetic in float32, a few points at a time.

    Args:
        points: from `unit_points`, float16 or float32.
    """
    unit = F.normalize(rows.float(), dim=1, eps=1e-12)
    columns = F.pad(unit, (0, 0, 0, -len(unit) % _COLUMNS)).T.contiguous()
    result = torch.empty(len(points), columns.shape[1])
    wide = torch.empty(min(_POINTS, len(points)), points.shape[1])
    for start in range(0, len(points), _POINTS):
        block = points[start : start + _POINTS]
        widened = wide[: len(block)].copy_(block)
        torch.mm(widened, columns, out=result[start : start + len(block)])
    return result[:, : len(unit)].T
