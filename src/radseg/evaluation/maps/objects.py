"""Objects of maps against true ones: AP over voxels, how far boxes are off, and whether ids last.

Voxels that the truth does not have are void: nothing is said of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer

from radseg.evaluation.images.objects import ObjectCounts
from radseg.evaluation.images.rooms import RoomSegments, segments_of
from radseg.evaluation.maps.truth import LabelledVoxels, LabelVotes
from radseg.mapping.objects import objects_of
from radseg.mapping.query import Answer
from radseg.mapping.tracks import Tracks
from radseg.metrics.instances import FoundObjects, match_objects, pair_objects, place_sets, true_objects
from radseg.metrics.panoptic import panoptic_counts
from radseg.miniature.walk import RoomWalk
from radseg.types import Segments

SMALLEST = 8
"""Voxels below which a true object is not judged: a cube of 10 cm at 5 cm."""


@dataclass(frozen=True, eq=False)
class VoxelSegments:
    """True objects and stuff of one place; `segments` has one entry per row of `keys`."""

    keys: Integer[np.ndarray, "m 3"]
    segments: Segments


@dataclass(frozen=True, eq=False)
class VoxelObject:
    """An object found in a map.

    Attributes:
        keys: its voxels, on the lattice of the truth; none in two objects.
        label: class from 0.
        score: higher is surer.
    """

    keys: Integer[np.ndarray, "k 3"]
    label: int
    score: float


def walk_segments(walk: RoomWalk, voxel_size: float, *, smallest: int = SMALLEST) -> VoxelSegments:
    """Return the objects of a rendered room on the voxels that the walk saw; classes are `walk.room.names`.

    A voxel belongs to the object of which most pixels fall into it.
    """
    parts = RoomSegments.of(walk.room)
    votes = LabelVotes(len(parts.of_instance) + 1)
    for frame_id in walk.frame_ids():
        votes.add_frame(walk.read_instances(frame_id), voxel_size)
    voxels = votes.winners(count_ignore=False)
    numbers = np.append(0, parts.of_instance)[voxels.labels]
    return VoxelSegments(voxels.keys, segments_of(numbers, parts.names, walk.room.names, smallest=smallest))


def connected_voxels(
    voxels: LabelledVoxels,
    scores: Float[np.ndarray, "m"],
    stuff: Bool[np.ndarray, " c"],
    *,
    voxel_size: float,
    min_size: float | None = None,
    tracks: Tracks | None = None,
) -> tuple[VoxelObject, ...]:
    """Return the objects of every class as a query gives them (`mapping.objects.objects_of`), stuff as one.

    Args:
        voxels: labels are 0 for none, classes from 1.
        scores: probability of its own class per voxel; that of stuff is the mean.
        voxel_size: metres.
        min_size: things of which no side is as long are left out, metres; None as a query does.
        tracks: of the map, by which connected voxels are split; None leaves them.
    """
    found = []
    for label in np.unique(voxels.labels[voxels.labels > 0]):
        own, number = voxels.labels == label, int(label) - 1
        if stuff[number]:
            found.append(VoxelObject(voxels.keys[own], number, float(scores[own].mean())))
            continue
        things = objects_of(
            "", voxels.keys, scores, own, voxel_size=voxel_size, min_size=min_size, tracks=tracks
        )
        found += [VoxelObject(voxels.keys[one.rows], number, one.score) for one in things]
    return tuple(found)


def answered_objects(
    answer: Answer, classes: Int64[np.ndarray, " a"], stuff: Bool[np.ndarray, " c"]
) -> tuple[VoxelObject, ...]:
    """Return the objects of a map's answer in mode "assign"; what its frames say of objects splits them.

    Args:
        classes: class of every name that was asked for; several names may be one class.
        stuff: which classes are no objects.
    """
    asked, label = np.unique(classes, return_inverse=True)
    labels = np.append(0, label.reshape(-1) + 1)[answer.labels]
    own = answer.scores[np.maximum(answer.labels - 1, 0), np.arange(len(labels))]
    voxels = LabelledVoxels(answer.keys, labels)
    found = connected_voxels(voxels, own, stuff[asked], voxel_size=answer.voxel_size, tracks=answer.tracks)
    return tuple(replace(one, label=int(asked[one.label])) for one in found)


def voxel_object_counts(
    truth: VoxelSegments, objects: Sequence[VoxelObject], stuff: Bool[np.ndarray, " c"]
) -> ObjectCounts:
    """Return the counts of one place; `object_scores` makes AP and PQ of those of several."""
    true, found = _on_union(truth, objects)
    labels, scores = _labels_and_scores(objects)
    things = np.flatnonzero(~stuff[labels])
    sets = place_sets((found == number + 1 for number in things), found.size)
    return ObjectCounts(
        match_objects(
            FoundObjects(sets, labels[things], scores[things]), true_objects(true, stuff), classes=len(stuff)
        ),
        panoptic_counts(true, Segments(found, labels, np.zeros(len(labels), np.bool_)), classes=len(stuff)),
    )


def centre_errors(
    truth: VoxelSegments,
    objects: Sequence[VoxelObject],
    stuff: Bool[np.ndarray, " c"],
    *,
    voxel_size: float,
    threshold: float = 0.5,
) -> Float64[np.ndarray, " p"]:
    """Return how far the box of each object found is from that of the true one it is, middle to middle.

    Centimetres; boxes are along the axes, those of the truth around the voxels that were seen. Objects
    without a partner at an IoU of `threshold` are left out, so give the share of pairs beside it.
    """
    true, found = _on_union(truth, objects)
    labels, scores = _labels_and_scores(objects)
    wanted = true_objects(true, stuff)
    sets = place_sets((found == number + 1 for number in range(len(objects))), found.size)
    pairs = pair_objects(FoundObjects(sets, labels, scores), wanted, threshold=threshold)
    ids = np.flatnonzero(~stuff[true.labels]) + 1  # of the things, in the order of `wanted`
    errors = [
        np.linalg.norm(
            _middle(objects[number].keys) - _middle(truth.keys[truth.segments.ids == ids[pairs[number]]])
        )
        for number in np.flatnonzero(pairs >= 0).tolist()
    ]
    return np.array(errors, np.float64) * voxel_size * 100


def ids_in_frame(
    true_ids: Integer[np.ndarray, "H W"], found_ids: Integer[np.ndarray, "H W"], *, smallest: int
) -> dict[int, int]:
    """Return for every true object in a frame the id that covers most of it; 0 where none does.

    Args:
        true_ids: of objects, from 1; 0 for what is none, stuff among it.
        found_ids: ids of the map's objects in this frame, from 1; 0 for none.
        smallest: pixels below which a true object does not count as seen.
    """
    seen = {}
    for number in np.unique(true_ids[true_ids > 0]):
        inside = found_ids[true_ids == number]
        if inside.size >= smallest:
            seen[int(number)] = int(np.bincount(inside).argmax())
    return seen


def one_id_share(frames: Sequence[Mapping[int, int]]) -> float:
    """Return the share of true objects that have one id, and it alone, in every frame that sees them.

    An id that is also another true object's is none of its own. NaN where no object is seen twice.

    Args:
        frames: see `ids_in_frame`; objects seen in one frame only are left out.
    """
    ids: dict[int, list[int]] = {}
    for frame in frames:
        for true, found in frame.items():
            ids.setdefault(true, []).append(found)
    owners: dict[int, set[int]] = {}
    for true, found_ids in ids.items():
        for found in found_ids:
            owners.setdefault(found, set()).add(true)
    verdicts = [
        len(set(found)) == 1 and found[0] != 0 and owners[found[0]] == {true}
        for true, found in ids.items()
        if len(found) > 1
    ]
    return float(np.mean(verdicts)) if verdicts else float("nan")


def _labels_and_scores(
    objects: Sequence[VoxelObject],
) -> tuple[Int64[np.ndarray, " d"], Float64[np.ndarray, " d"]]:
    return (
        np.array([one.label for one in objects], np.int64),
        np.array([one.score for one in objects], np.float64),
    )


def _on_union(
    truth: VoxelSegments, objects: Sequence[VoxelObject]
) -> tuple[Segments, Int64[np.ndarray, " u"]]:
    """Return the truth, and the number of the object found from 1, on the voxels of both."""
    keys = np.concatenate([truth.keys, *(one.keys for one in objects)])
    every, row = np.unique(keys, axis=0, return_inverse=True)
    row = row.reshape(-1)
    true, found = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    true[row[: len(truth.keys)]] = truth.segments.ids
    numbers = np.repeat(np.arange(1, len(objects) + 1), [len(one.keys) for one in objects])
    found[row[len(truth.keys) :]] = numbers
    return replace(truth.segments, ids=true), found


def _middle(keys: Integer[np.ndarray, "k 3"]) -> Float64[np.ndarray, "3"]:
    return (keys.min(0) + keys.max(0)) / 2
