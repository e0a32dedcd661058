"""The straightforward form of mapping: a feature per pixel, the whole map merged with every frame.

Written from mapping spec 2.4 to 2.6 as a yardstick; the library must agree with it and cost less.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from radseg.ops.camera import transform, unproject, valid_depth
from radseg.ops.voxels import voxel_indices
from radseg.types import Frame


class PlainMap(NamedTuple):
    """All voxels: indices, and rows of red green blue, values, weight."""

    indices: Tensor
    rows: Tensor


def integrate(grown: PlainMap, frame: Frame, values: Tensor, voxel_size: float) -> PlainMap:
    """Return the map with one frame more."""
    up = F.interpolate(values[None], frame.depth.shape, mode="bilinear", antialias=True)[0]
    pixels = valid_depth(frame.depth).flatten().nonzero()[:, 0]
    points = transform(unproject(frame.depth, frame.intrinsics, pixels), frame.camera_to_world)
    one = torch.ones(len(pixels), 1)
    rows = torch.cat([frame.rgb.flatten(1).T[pixels], up.flatten(1).T[pixels], one], 1)
    new = merged(voxel_indices(points, voxel_size), rows)
    return merged(torch.cat([grown.indices, new.indices]), torch.cat([grown.rows, new.rows]))


def merged(indices: Tensor, rows: Tensor) -> PlainMap:
    """Return one row per voxel: weighted means, and the sum of the weights."""
    found, inverse = torch.unique(indices, dim=0, return_inverse=True)
    weights = rows[:, -1:]
    weighted = torch.cat([rows[:, :-1] * weights, weights], 1)
    sums = rows.new_zeros(len(found), rows.shape[1]).index_add_(0, inverse, weighted)
    return PlainMap(found, torch.cat([sums[:, :-1] / sums[:, -1:], sums[:, -1:]], 1))
