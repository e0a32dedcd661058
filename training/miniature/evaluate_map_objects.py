"""Measure the objects of maps: walks through held-out rooms, two ways to objects against true ones. Offline.

    python -m training.miniature.evaluate_map_objects [--rooms 8]

The ways: connected voxels of a name, and those split where frames saw two 2D objects (`mapping.tracks`; by
SAM under the names of the room's things). Both have one map of features. The room's names are asked for in
mode `assign`; then judged as they are, and as nouns: "lamp" for every lamp, so that more objects of one class
touch. AP over things and panoptic quality on voxels, counts of all walks together, 95 % intervals by drawing
walks. Box centres are compared where an object is found at an IoU of 0.5. Ids are of the map so far, asked
after every second view.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from radseg.evaluation.images.objects import ObjectCounts, object_scores
from radseg.evaluation.images.rooms import world_names
from radseg.evaluation.maps.objects import (
    VoxelSegments,
    answered_objects,
    centre_errors,
    ids_in_frame,
    one_id_share,
    voxel_object_counts,
    walk_segments,
)
from radseg.mapping.identity import identified
from radseg.mapping.mapper import Mapper
from radseg.mapping.query import Answer
from radseg.mapping.sightings import Sightings
from radseg.mapping.voxel_map import VoxelMap
from radseg.miniature.walk import FRAMES, RoomWalk
from radseg.miniature.world import FIRST_OBJECT, structure_names
from radseg.ops.camera import transform, unproject, valid_depth
from radseg.ops.voxels import pack, voxel_indices
from radseg.presets.load import load
from radseg.runs.lifting import feature_mapper, with_segments
from radseg.runs.map_query import MapQuery
from radseg.segment import Segmenter
from radseg.types import Frame
from training.miniature.evaluate_maps import PROTOCOL
from training.miniature.evaluate_objects import percent, world_index

Way = Literal["connected voxels", "and 2D objects"]
WAYS: tuple[Way, ...] = ("connected voxels", "and 2D objects")
VOXEL = PROTOCOL.voxel_size
SHOWN = 200
"""Pixels of a view from which an object is seen in it, for its id."""


@dataclass(frozen=True, eq=False)
class Classes:
    """What counts as one class.

    Attributes:
        names: of the classes.
        of_name: class of every name of the world, in the order of `world_names`.
    """

    names: tuple[str, ...]
    of_name: Int64[np.ndarray, "n"]

    @property
    def stuff(self) -> Bool[np.ndarray, "c"]:
        """Which classes are walls, floors and ceilings."""
        return np.array([name in structure_names() for name in self.names])


def as_named() -> Classes:
    """Return every name as a class."""
    return Classes(world_names(), np.arange(len(world_names())))


def as_nouns() -> Classes:
    """Return the last word of every name of a thing as a class."""
    nouns = [name if name in structure_names() else name.split()[-1] for name in world_names()]
    names = tuple(sorted(set(nouns)))
    return Classes(names, np.array([names.index(noun) for noun in nouns]))


@dataclass
class Tally:
    """What one way gave on all walks, for one set of classes."""

    counts: list[ObjectCounts] = field(default_factory=list)
    errors: list[Float64[np.ndarray, "p"]] = field(default_factory=list)


def judged(walk: RoomWalk, answer: Answer, classes: Classes, tally: Tally) -> None:
    """Add the counts of one walk, and its box errors in centimetres."""
    code = classes.of_name[world_index(walk.room.names)]
    truth = true_objects_of(walk, code)
    stuff = classes.stuff
    objects = answered_objects(answer, code, stuff)
    tally.counts.append(voxel_object_counts(truth, objects, stuff))
    tally.errors.append(centre_errors(truth, objects, stuff, voxel_size=VOXEL))


def true_objects_of(walk: RoomWalk, code: Int64[np.ndarray, "n"]) -> VoxelSegments:
    """Return the truth of a walk; `code` is the class of each name of the room."""
    truth = walk_segments(walk, VOXEL)
    return replace(truth, segments=replace(truth.segments, labels=code[truth.segments.labels]))


def walked(walk: RoomWalk, mapper: Mapper, segmenter: Segmenter) -> tuple[Answer, dict[Way, float]]:
    """Return the answer of the finished map, and per way the share of objects with one id throughout."""
    grown, seen = VoxelMap(mapper.description), Sightings()
    ids: dict[Way, dict[str, int]] = {way: {} for way in WAYS}
    views: dict[Way, list[Mapping[int, int]]] = {way: [] for way in WAYS}
    answer = None
    for frame_id in walk.frame_ids():
        frame = walk.read_instances(frame_id)
        sums, sighting = mapper.observed(frame)
        grown.add(sums)
        seen.frames.append(sighting)
        if int(frame_id) % 2 == 0:
            continue
        made = replace(grown.to_semantic_map(), load_sightings=lambda: seen)
        answer = MapQuery(made, None, segmenter).ask(list(walk.room.names), mode="assign")
        for way, known in ids.items():
            one = replace(answer, tracks=None) if way == WAYS[0] else answer
            views[way].append(
                ids_in_frame(_true_ids(frame), _found_ids(frame, one, seen, known), smallest=SHOWN)
            )
    assert answer is not None, "a walk has at least two views"
    return answer, {way: one_id_share(some) for way, some in views.items()}


def _true_ids(frame: Frame) -> Int64[np.ndarray, "H W"]:
    """Return the instance of every pixel that is a thing, from 1; 0 for walls, floors and ceilings."""
    assert frame.semantics is not None
    return (frame.semantics.numpy() - FIRST_OBJECT).clip(0)


def _found_ids(
    frame: Frame, answer: Answer, seen: Sightings, known: dict[str, int]
) -> Int64[np.ndarray, "H W"]:
    """Return a number for the id of the object at every pixel; `known` gains the numbers of new ids."""
    stuff = structure_names()
    objects = identified(answer.objects(), answer.keys, seen, answer.tracks)
    numbers = np.zeros(len(answer.keys), np.int64)
    for name, some in objects.items():
        for one in some if name not in stuff else ():
            numbers[one.rows] = known.setdefault(one.id, len(known) + 1)
    pixels = valid_depth(frame.depth).flatten().nonzero()[:, 0]
    points = transform(unproject(frame.depth, frame.intrinsics, pixels), frame.camera_to_world)
    keys = pack(torch.from_numpy(answer.keys)).numpy()
    order = np.argsort(keys)
    ids = np.zeros(frame.depth.shape, np.int64)
    place = np.searchsorted(keys, pack(voxel_indices(points, VOXEL)).numpy(), sorter=order)
    ids.reshape(-1)[pixels.numpy()] = numbers[order[place]]
    return ids


def report(title: str, tally: Tally, stuff: NDArray[np.bool_]) -> None:
    """Print the scores of one way."""
    sys.stdout.write(f"{title}\n")
    for name, score in object_scores(tally.counts, stuff).items():
        sys.stdout.write(f"  {name:10} {percent(score)}\n")
    every = np.concatenate(tally.errors)
    true = sum(int(one.matches.truths.sum()) for one in tally.counts)
    if len(every):
        low, middle, high = np.quantile(every, (0.25, 0.5, 0.75))
        sys.stdout.write(
            f"  {len(every)} of {true} found at 0.5, box centres off by {middle:.1f} cm "
            f"(quartiles {low:.1f}, {high:.1f})\n"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--first", type=int, default=910_000, help="seed of the first room")
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args(arguments)
    plain, refined = load("miniature"), load("miniature+")
    kinds = {"names": as_named(), "nouns": as_nouns()}
    tallies = {(way, kind): Tally() for kind in kinds for way in WAYS}
    shares: dict[Way, list[float]] = {way: [] for way in WAYS}
    for seed in range(chosen.first, chosen.first + chosen.rooms):
        walk = RoomWalk(seed, frames=chosen.frames)
        things = [name for name in walk.room.names if name not in structure_names()]
        mapper = with_segments(feature_mapper(plain, VOXEL), refined, things)
        answer, kept = walked(walk, mapper, plain)
        for (way, kind), tally in tallies.items():
            judged(walk, replace(answer, tracks=None) if way == WAYS[0] else answer, kinds[kind], tally)
        for way in WAYS:
            shares[way].append(kept[way])
        sys.stdout.write(f"room {seed}: one id " + ", ".join(f"{way} {kept[way]:.2f}" for way in WAYS) + "\n")
        sys.stdout.flush()
    for (way, kind), tally in tallies.items():
        report(f"{way}, {kind}", tally, kinds[kind].stuff)
    for way in WAYS:
        sys.stdout.write(f"one id through the walk, {way}: {np.nanmean(shares[way]):.2f}\n")


if __name__ == "__main__":
    main()
