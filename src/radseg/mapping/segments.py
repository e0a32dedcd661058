"""Segments of a frame: its 2D objects on the voxels that it adds to."""

import numpy as np
import torch
from jaxtyping import Int, Int64, Integer

from radseg.mapping.clusters import connected
from radseg.ops.voxels import unpack


def voxel_segments(
    keys: Int64[np.ndarray, "m"], voxel: Integer[np.ndarray, "n"], numbers: Integer[np.ndarray, "n"]
) -> Int64[np.ndarray, "m"]:
    """Return the segment of every voxel, from 1; 0 for none.

    A voxel belongs to the 2D object of most of its points, the lowest number of equals. One whose voxels do
    not touch is several segments: what lies one behind the other in the image lies apart in the room.

    Args:
        keys: packed indices of the voxels.
        voxel: row of the voxel of each point.
        numbers: 2D object of each point, from 1; 0 for none.
    """
    most = int(numbers.max()) + 1
    cells, votes = np.unique(voxel.astype(np.int64) * most + numbers, return_counts=True)
    order = np.lexsort((cells, -votes, cells // most))
    _, first = np.unique((cells // most)[order], return_index=True)
    return _apart(keys, (cells % most)[order][first])


def _apart(keys: Int64[np.ndarray, "m"], numbers: Int[np.ndarray, "m"]) -> Int64[np.ndarray, "m"]:
    indices = unpack(torch.from_numpy(keys)).numpy()
    segments, count = np.zeros(len(keys), np.int64), 0
    for number in np.unique(numbers[numbers > 0]):
        rows = np.flatnonzero(numbers == number)
        parts = connected(indices[rows])
        segments[rows] = parts + count + 1
        count += int(parts.max()) + 1
    return segments
