"""What an object is known by as a map grows: its id, and the frames that saw it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int64, Integer

from radseg.errors import CheckpointError
from radseg.mapping.objects import MapObject
from radseg.mapping.sightings import Sightings
from radseg.mapping.tracks import Tracks
from radseg.mapping.voxel_ids import id_of, in_order_of_hash
from radseg.ops.voxels import pack

SEEN = 0.1
"""Share of an object's voxels that a frame must have added to, to have seen it."""


def identified(
    objects: Mapping[str, tuple[MapObject, ...]],
    keys: Integer[np.ndarray, "m 3"],
    sightings: Sightings | None,
    tracks: Tracks | None = None,
) -> dict[str, tuple[MapObject, ...]]:
    """Return the objects with their ids, and the frames that saw each, in their order.

    The id names a voxel: the one that began the object's first track, where frames noted their 2D objects
    (`Tracks.oldest`); else of those of the object that its first frame saw the one whose hash is smallest. So
    it is the same whatever words find the object, in a copy of the map, in a merge that begins with the map,
    and with more frames as long as this track, or this voxel, stays with the object. Where nobody noted who
    saw what, any voxel of the object may be it.

    Args:
        keys: of the voxels that `MapObject.rows` count.
        tracks: of the sightings; None where they note no 2D objects.

    Raises:
        CheckpointError: the sightings are damaged.
    """
    packed = pack(torch.from_numpy(np.ascontiguousarray(keys, np.int64))).numpy()
    found = [(name, place, one) for name, some in objects.items() for place, one in enumerate(some)]
    frames, first = _seen([packed[one.rows] for _, _, one in found], sightings)
    named: dict[str, list[MapObject]] = {name: [] for name in objects}
    used: dict[str, set[str]] = {name: set() for name in objects}
    for number, (name, _, one) in enumerate(found):
        own = packed[one.rows]
        named_by = in_order_of_hash(own[first[number]])
        if tracks is not None and (oldest := tracks.oldest(own)) is not None:
            named_by = np.append(oldest, named_by)
        id_ = next(free for free in map(id_of, named_by.tolist()) if free not in used[name])
        used[name].add(id_)
        named[name].append(replace(one, id=id_, frames=frames[number]))
    return {name: tuple(some) for name, some in named.items()}


def _seen(
    objects: list[Int64[np.ndarray, "n"]], sightings: Sightings | None
) -> tuple[list[tuple[str, ...]], list[Bool[np.ndarray, "n"]]]:
    """Return of each object the frames that saw it, and which of its voxels the first of all frames saw."""
    frames: list[list[str]] = [[] for _ in objects]
    first = [np.ones(len(own), bool) for own in objects]
    if not objects or sightings is None:
        return [tuple(some) for some in frames], first
    sizes = np.array([len(own) for own in objects])
    starts = np.cumsum(sizes) - sizes
    every, place = np.unique(np.concatenate(objects), return_inverse=True)
    new = np.ones(len(objects), bool)
    for sighting in sightings:
        try:
            inside = _within(every, sighting.keys())[place]
        except ValueError as error:
            raise CheckpointError(f"The map is damaged: {error}. Build it again.") from error
        shared = np.add.reduceat(inside, starts, dtype=np.int64)
        for number in np.flatnonzero(new & (shared > 0)):
            first[number] = inside[starts[number] : starts[number] + sizes[number]]
        new &= shared == 0
        for number in np.flatnonzero(shared >= SEEN * sizes):
            frames[number].append(sighting.frame)
    return [tuple(some) for some in frames], first


def _within(every: Int64[np.ndarray, "k"], seen: Int64[np.ndarray, "s"]) -> Bool[np.ndarray, "k"]:
    """Return which of the ascending keys a frame saw; a frame sees fewer voxels than objects have."""
    place = np.minimum(np.searchsorted(every, seen), len(every) - 1)
    inside = np.zeros(len(every), bool)
    inside[place[every[place] == seen]] = True
    return inside
