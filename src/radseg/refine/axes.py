"""Bilinear resampling as two small matrices, one per axis.

Bilinear interpolation is separable, and two in a row are one product of matrices. So a map is brought to full
size in one step, and only inside the rectangle where it is needed.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def linear_axis(source: int, target: int, *, like: Tensor) -> Float[Tensor, "t s"]:
    """Return the weights that resample `source` samples to `target` linearly, half-pixel centres.

    Rows sum to 1 and hold at most two weights: the interpolation of torch, applied to the identity.
    """
    identity = torch.eye(source, device=like.device, dtype=torch.float32)
    weights = F.interpolate(identity[None], target, mode="linear", align_corners=False)
    return weights[0].mT.to(like.dtype).contiguous()


def resample(
    maps: Float[Tensor, "*c h w"], rows: Float[Tensor, "H h"], columns: Float[Tensor, "W w"]
) -> Float[Tensor, "*c H W"]:
    """Return the maps with their rows and columns resampled."""
    return rows @ maps @ columns.mT


def span(flags: Tensor) -> slice:
    """Return the smallest slice that holds every true entry; an empty one if there is none."""
    hits = flags.nonzero()[:, 0]
    return slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else slice(0, 0)
