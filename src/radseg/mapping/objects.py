"""Objects in a map: voxels of one name that lie together, ranked by how sure and how large they are."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer

from radseg.errors import InputError
from radseg.mapping.boxes import OrientedBox, upright_box
from radseg.mapping.clusters import connected, with_crumbs
from radseg.mapping.splitting import split
from radseg.mapping.tracks import Tracks
from radseg.ops.voxels import pack
from radseg.types import Up

DOUBT = 0.05
"""Square metres of nothing that every object is averaged with: 20 voxels of 5 cm, 500 of 1 cm. Chosen on
walks through eight rooms: AP50 0.46 without, 0.71 with 0.025 to 0.075, 0.66 with 0.25 (experiments.md)."""
CRUMB = 0.075
"""Square metres that count as a crumb: 30 voxels of 5 cm."""
PART = 0.02
"""Square metres that a track must have more of, to be a part of a name's connected voxels: 8 voxels of 5 cm.
With 0.075 AP of names asked as nouns is 49.4 in place of 50.1 (experiments.md)."""
REACH = 0.15
"""Metres between the centres of a crumb and the object that it is joined to."""
MIN_VOXELS, MIN_SIZE = 2, 0.05
"""Of the smallest object along its longest side, unless told: so many voxels, and so many metres."""
MIN_SHARE = 0.6
"""Of the best score of a name that an object has, unless a size is told: others are crumbs, and places that
look a little like it. AP is the same from 0 to 0.6, PQ of objects 31 and 57 with it (experiments.md)."""


@dataclass(frozen=True, eq=False)
class MapObject:
    """One object that was found.

    Attributes:
        name: what it was asked for as.
        score: sum of the probabilities of its voxels over their number and that of `DOUBT`: crumbs are less
            sure than large objects of the same probability. Objects are ranked by it.
        probability: mean of its voxels.
        peak: highest of a voxel.
        voxels: how many.
        centroid: mean of the voxel centres weighted with their probability, metres.
        low, high: corners of the box along the world's axes, metres.
        box: the smallest upright box.
        rows: its voxels, as rows of what was asked.
        id: what it is known by while the map grows; "" where nobody said (`mapping.identity`).
        frames: ids of the frames that saw it; empty where nobody noted them.
    """

    name: str
    score: float
    probability: float
    peak: float
    voxels: int
    centroid: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    box: OrientedBox
    rows: Int[np.ndarray, "n"]
    id: str = ""
    frames: tuple[str, ...] = ()

    @property
    def middle(self) -> tuple[float, float, float]:
        """Middle of the box, metres: nearer to the object's own than the centroid, if seen from one side."""
        x, y, z = ((bottom + top) / 2 for bottom, top in zip(self.low, self.high, strict=True))
        return x, y, z


def default_min_size(voxel_size: float) -> float:
    """Return the smallest size of an object unless told, metres."""
    return max(MIN_VOXELS * voxel_size, MIN_SIZE)


def objects_of(
    name: str,
    keys: Integer[np.ndarray, "m 3"],
    scores: Float[np.ndarray, "m"],
    chosen: Bool[np.ndarray, "m"],
    *,
    voxel_size: float,
    min_size: float | None = None,
    up: Up = "+z",
    tracks: Tracks | None = None,
) -> tuple[MapObject, ...]:
    """Return the objects among the chosen voxels, best first.

    Connected voxels are one object; crumbs beside a larger one belong to it (`clusters.with_crumbs`). What
    the frames saw as two objects is two (`splitting.split`).

    Args:
        scores: probability of `name` per voxel.
        chosen: the voxels that have the name.
        voxel_size: metres.
        min_size: objects whose box is shorter along all its sides are left out, metres; None is two voxels,
            and 5 cm at least, and leaves out as well what has less than `MIN_SHARE` of the best score.
        up: world axis that points up.
        tracks: of the map; None where its frames noted no 2D objects.

    Raises:
        InputError: a negative or non-finite size.
    """
    least = default_min_size(voxel_size) if min_size is None else min_size
    if not 0 <= least < float("inf"):
        raise InputError(
            f"The smallest size of an object is {least:g} m; it must be finite and not negative."
        )
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return ()
    area = voxel_size**2
    own = keys[rows]
    number = with_crumbs(own, connected(own), crumb=CRUMB / area, reach=REACH / voxel_size)
    if tracks is not None:
        packed = pack(torch.from_numpy(np.ascontiguousarray(own, np.int64))).numpy()
        number = split(own, number, tracks.of_voxels(packed), tracks, crumb=PART / area)
    order = np.argsort(number, kind="stable")
    groups = np.split(rows[order], np.flatnonzero(np.diff(number[order])) + 1)
    longest = ((keys[group].max(0) - keys[group].min(0) + 1).max() * voxel_size for group in groups)
    kept = [group for group, size in zip(groups, longest, strict=True) if size > least - 1e-9]
    found = [_object(name, group, keys[group], scores[group], voxel_size, up) for group in kept]
    found.sort(key=lambda one: (-one.score, -one.voxels, one.low))
    faint = MIN_SHARE * found[0].score if found and min_size is None else 0.0
    return tuple(one for one in found if one.score >= faint)


def _object(
    name: str,
    rows: Int[np.ndarray, "n"],
    keys: Integer[np.ndarray, "n 3"],
    scores: Float[np.ndarray, "n"],
    voxel_size: float,
    up: Up,
) -> MapObject:
    likely = scores.astype(np.float64)
    total, count = float(likely.sum()), len(rows)
    weighted = likely @ keys / max(total, 1e-12)
    return MapObject(
        name,
        total / (count + DOUBT / voxel_size**2),
        total / count,
        float(likely.max()),
        count,
        _metres(weighted * voxel_size),
        _metres((keys.min(0) - 0.5) * voxel_size),
        _metres((keys.max(0) + 0.5) * voxel_size),
        upright_box(keys, voxel_size, up),
        rows,
    )


def _metres(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
