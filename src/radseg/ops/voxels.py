"""Voxel indices, their packed keys, and exact sums per voxel (mapping spec 2.6 and 5.3 B).

A voxel index is round-half-to-even of position / voxel size on each axis; the centre is index · size.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from radseg.errors import InputError

AXIS_BITS = 21
"""Bits of a key per axis: three fit into the 63 bits of a non-negative int64."""
LIMIT = 1 << (AXIS_BITS - 1)
"""Indices go from -LIMIT to LIMIT - 1: ±52 km at 5 cm."""
_MASK = (1 << AXIS_BITS) - 1


class VoxelSums(NamedTuple):
    """What a set of points adds to the voxels it falls into: one row per voxel, ascending keys."""

    keys: Int[Tensor, " m"]
    """Packed indices."""
    counts: Int[Tensor, " m"]
    """Points in the voxel."""
    values: Float[Tensor, "m c"]
    """Sum of the points' values."""
    colours: Float[Tensor, "m 3"]
    """Sum of the points' colours, each in [0, 1]."""


def voxel_indices(points: Float[Tensor, "n 3"], voxel_size: float) -> Int[Tensor, "n 3"]:
    """Return the voxel of each point, in metres; the division happens in the points' own precision.

    Points must be `reachable`. Halves go to the even index, as in the reference (floor(x + 0.5) differs).
    """
    # A tensor, not a number: on CUDA division by a number is multiplication by its rounded inverse.
    return torch.round(points / points.new_tensor(voxel_size)).long()


def reachable(points: Float[Tensor, "n 3"], voxel_size: float) -> Bool[Tensor, " n"]:
    """Return which points are finite and have a voxel that a key can hold."""
    return (points.abs() < (LIMIT - 1) * voxel_size).all(1)  # false for NaN


def pack(indices: Int[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    """Return one non-negative int64 per index; keys sort as the indices do, first axis first.

    Raises:
        InputError: an index is beyond ±2²⁰.
    """
    if len(indices) and not (int(indices.min()) >= -LIMIT and int(indices.max()) < LIMIT):
        raise InputError(f"Voxel indices must be within ±{LIMIT}; a larger voxel size reaches further.")
    shifted = indices.long() + LIMIT
    return (shifted[:, 0] << 2 * AXIS_BITS) | (shifted[:, 1] << AXIS_BITS) | shifted[:, 2]


def unpack(keys: Int[Tensor, " n"]) -> Int[Tensor, "n 3"]:
    """Return the indices of packed keys."""
    return torch.stack([(keys >> shift) & _MASK for shift in (2 * AXIS_BITS, AXIS_BITS, 0)], 1) - LIMIT


def centres(indices: Int[Tensor, "n 3"], voxel_size: float) -> Float[Tensor, "n 3"]:
    """Return the middle of each voxel in metres, float32."""
    return indices.float() * torch.tensor(voxel_size, dtype=torch.float32, device=indices.device)


def sum_by_voxel(
    keys: Int[Tensor, " n"], values: Float[Tensor, "n c"], colours: Float[Tensor, "n 3"]
) -> VoxelSums:
    """Return the sums of the points' values per voxel: the plain form, one row of values per point."""
    found, row, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    return VoxelSums(found, counts, sum_rows(values, row, len(found)), sum_rows(colours, row, len(found)))


def sum_rows(values: Float[Tensor, "n c"], row: Int[Tensor, " n"], rows: int) -> Float[Tensor, "m c"]:
    """Return for each of `rows` rows the sum of the values that belong to it."""
    return values.new_zeros(rows, values.shape[1]).index_add_(0, row, values)
