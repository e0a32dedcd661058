"""Voxels that belong together: connected ones, and crumbs with the larger part that they lie beside."""

from itertools import product

import numpy as np
from jaxtyping import Int, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from radseg.ops.voxels import AXIS_BITS, LIMIT

# Half of the 26 neighbours: the other half is found from the other side.
_HALF = [offset for offset in product((-1, 0, 1), repeat=3) if offset > (0, 0, 0)]


def connected(keys: Integer[np.ndarray, "m 3"]) -> Int[np.ndarray, "m"]:
    """Return for every voxel the number of its component: voxels touch by face, edge or corner.

    Numbers count from 0 in the order of the first voxel of each component.
    """
    one, other = neighbours(keys)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(keys), len(keys)))
    return _numbered(np.asarray(connected_components(graph, directed=False)[1], np.int64))


def neighbours(keys: Integer[np.ndarray, "m 3"]) -> tuple[Int[np.ndarray, "p"], Int[np.ndarray, "p"]]:
    """Return the rows of every pair of voxels that touch by face, edge or corner, each pair once."""
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
    return np.concatenate(starts), np.concatenate(ends)


def with_crumbs(
    keys: Integer[np.ndarray, "m 3"], number: Int[np.ndarray, "m"], *, crumb: float, reach: float
) -> Int[np.ndarray, "m"]:
    """Return the components again, each crumb joined to the nearest larger one within reach.

    Crumbs are not joined to each other: they may be small objects side by side. Nor does a crumb between two
    objects make them one.

    Args:
        number: of `connected`.
        crumb: components of at most this many voxels are crumbs.
        reach: largest distance between centres, in voxels.
    """
    small = np.bincount(number)[number] <= crumb
    if not small.any() or small.all():
        return number
    order = np.lexsort(keys.T[::-1])  # of equally near parts the same is taken, however voxels are ordered
    crumbs, large = order[small[order]], order[~small[order]]
    bound = reach * (1 + 1e-9)  # distances below it count
    distance, place = cKDTree(keys[large]).query(keys[crumbs], distance_upper_bound=bound)
    nearest = np.lexsort((place, distance))
    _, first = np.unique(number[crumbs[nearest]], return_index=True)
    chosen = nearest[first]  # of each crumb its voxel that is nearest
    chosen = chosen[np.isfinite(distance[chosen])]
    target = np.arange(int(number.max()) + 1)
    target[number[crumbs[chosen]]] = number[large[place[chosen]]]
    return _numbered(target[number])


def _numbered(labels: Int[np.ndarray, "m"]) -> Int[np.ndarray, "m"]:
    """Return the labels counted from 0 in the order of their first appearance."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number.reshape(-1)]
