"""Connected voxels of a name, split where the frames of the map saw two objects."""

import numpy as np
from jaxtyping import Int, Integer
from scipy.sparse import coo_array
from scipy.spatial import cKDTree

from radseg.mapping.clusters import neighbours
from radseg.mapping.tracks import Tracks


def split(
    keys: Integer[np.ndarray, "m 3"],
    number: Int[np.ndarray, "m"],
    track: Int[np.ndarray, "m"],
    tracks: Tracks,
    *,
    crumb: float,
) -> Int[np.ndarray, "m"]:
    """Return the components again, those split of whose tracks frames saw more apart than together.

    Args:
        number: of the component of each voxel, from 0.
        track: of each voxel, 0 for none.
        crumb: tracks of at most this many voxels of a component are no part of it; their voxels, and those
            without a track, go with the nearest part.
    """
    split_number, count = np.empty_like(number), 0
    order = np.argsort(number, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        parts = _parts(keys[rows], track[rows], tracks, crumb)
        split_number[rows] = parts + count
        count += int(parts.max()) + 1
    return split_number


def _parts(
    keys: Integer[np.ndarray, "m 3"], track: Int[np.ndarray, "m"], tracks: Tracks, crumb: float
) -> Int[np.ndarray, "m"]:
    found, votes = np.unique(track[track > 0], return_counts=True)
    found = found[votes > crumb]
    if len(found) < 2:
        return np.zeros(len(keys), np.int64)
    known = np.isin(track, found)
    _, nearest = cKDTree(keys[known]).query(keys)
    part = np.searchsorted(found, track[known][nearest])
    one, other = neighbours(keys)
    shape = (len(found),) * 2
    touching = coo_array((np.ones(len(one)), (part[one], part[other])), shape=shape).toarray()
    pair = np.ix_(found, found)
    group = _joined(tracks.together[pair].toarray(), tracks.apart[pair].toarray(), touching + touching.T)
    return np.unique(group[part], return_inverse=True)[1].reshape(-1)


def _joined(
    together: Int[np.ndarray, "t t"], apart: Int[np.ndarray, "t t"], touching: Integer[np.ndarray, "t t"]
) -> Int[np.ndarray, "t"]:
    """Return the group of every track: those that touch are joined, the surest first.

    A pair is joined while at least as many frames saw it together as apart; also where none saw both, as of
    front and back, but after all others, the longest border first. What is joined counts as one.
    """
    group = np.arange(len(together))
    counts = [one.astype(np.float64) for one in (together, apart, touching)]
    for one in counts:
        np.fill_diagonal(one, 0)
    while True:
        with_, without, border = counts
        rate = with_ / np.maximum(with_ + without, 1) + border / (border.sum() + 1) * 1e-6
        rate[(border == 0) | (with_ < without)] = -1
        first, second = sorted(np.unravel_index(int(rate.argmax()), rate.shape))
        if rate[first, second] < 0:
            return group
        group[group == second] = first
        for one in counts:
            one[first] += one[second]
            one[:, first] += one[:, second]
            one[second] = one[:, second] = 0
            one[first, first] = 0
