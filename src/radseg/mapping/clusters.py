"""Objects in a map: voxels that touch each other and share a name, with their place and extent."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from radseg.ops.voxels import AXIS_BITS, LIMIT

MIN_VOXELS = 4
"""Fewer touching voxels are taken as noise of the borders: 4 are a cube of 6 to 8 cm at 5 cm."""

# Half of the 26 neighbours: the other half is found from the other side.
_HALF = [offset for offset in product((-1, 0, 1), repeat=3) if offset > (0, 0, 0)]


@dataclass(frozen=True)
class Instance:
    """One object that was found.

    Attributes:
        name: what it was asked for as.
        score: mean probability of its voxels.
        peak: highest probability of a voxel.
        voxels: how many.
        centroid: mean of the voxel centres weighted with their probability, metres.
        low, high: corners of the box around its voxels, metres.
    """

    name: str
    score: float
    peak: float
    voxels: int
    centroid: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def middle(self) -> tuple[float, float, float]:
        """Middle of the box, metres: nearer to the object's own than the centroid, if seen from one side."""
        x, y, z = ((bottom + top) / 2 for bottom, top in zip(self.low, self.high, strict=True))
        return x, y, z

    @property
    def size(self) -> tuple[float, float, float]:
        """Extent of the box along each axis, metres."""
        x, y, z = (top - bottom for bottom, top in zip(self.low, self.high, strict=True))
        return x, y, z


def connected(keys: Integer[np.ndarray, "m 3"]) -> Int[np.ndarray, "m"]:
    """Return for every voxel the number of its component: voxels touch by face, edge or corner.

    Numbers count from 0 in the order of the first voxel of each component.
    """
    shifted = keys.astype(np.int64) + LIMIT
    packed = (shifted[:, 0] << 2 * AXIS_BITS) | (shifted[:, 1] << AXIS_BITS) | shifted[:, 2]
    order = np.argsort(packed)
    ordered = packed[order]
    starts, ends = [], []
    for x, y, z in _HALF:
        wanted = ordered + ((x << 2 * AXIS_BITS) + (y << AXIS_BITS) + z)
        place = np.minimum(np.searchsorted(ordered, wanted), max(0, len(ordered) - 1))
        found = np.flatnonzero(ordered[place] == wanted) if len(ordered) else place
        starts.append(order[found])
        ends.append(order[place[found]])
    one, other = np.concatenate(starts), np.concatenate(ends)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(keys), len(keys)))
    _, labels = connected_components(graph, directed=False)
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number.reshape(-1)]


def instances(
    name: str,
    keys: Integer[np.ndarray, "m 3"],
    scores: Float[np.ndarray, "m"],
    chosen: Bool[np.ndarray, "m"],
    *,
    voxel_size: float,
    min_voxels: int = MIN_VOXELS,
) -> tuple[Instance, ...]:
    """Return the objects among the chosen voxels, best score first.

    Args:
        scores: probability of `name` per voxel.
        chosen: the voxels that have the name.
        min_voxels: smaller components are left out.
    """
    own_keys, own_scores = keys[chosen], scores[chosen].astype(np.float64)
    if not len(own_keys):
        return ()
    number = connected(own_keys)
    count = np.bincount(number)
    total = np.bincount(number, own_scores)
    weighted = np.stack([np.bincount(number, own_scores * own_keys[:, axis]) for axis in range(3)], 1)
    peak = np.zeros(len(count))
    np.maximum.at(peak, number, own_scores)
    low, high = np.full((len(count), 3), np.inf), np.full((len(count), 3), -np.inf)
    np.minimum.at(low, number, own_keys)
    np.maximum.at(high, number, own_keys)
    kept = np.flatnonzero(count >= min_voxels)
    found = [
        Instance(
            name,
            float(total[i] / count[i]),
            float(peak[i]),
            int(count[i]),
            _metres(weighted[i] / max(total[i], 1e-12) * voxel_size),
            _metres((low[i] - 0.5) * voxel_size),
            _metres((high[i] + 0.5) * voxel_size),
        )
        for i in kept
    ]
    return tuple(sorted(found, key=lambda one: (-one.score, -one.voxels, one.low)))


def _metres(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
