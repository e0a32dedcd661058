"""True objects of the scenes of RGB-D sets, on voxels: of rendered walks, and of ScanNet's 200 classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int64, Integer
from scipy.spatial import cKDTree

from radseg.datasets.rgbd.scannet_objects import (
    STUFF,
    LabelledPoints,
    read_scannet_objects,
    scannet200_categories,
    scannet200_names,
)
from radseg.errors import InputError
from radseg.evaluation.images.objects import ObjectCounts
from radseg.evaluation.images.rooms import world_names
from radseg.evaluation.maps.objects import (
    VoxelObject,
    VoxelSegments,
    answered_objects,
    voxel_object_counts,
    walk_segments,
)
from radseg.evaluation.maps.sets import Scene
from radseg.evaluation.maps.truth import LabelVotes
from radseg.evaluation.paper.map_protocols import MapProtocol
from radseg.mapping.semantic_map import SemanticMap
from radseg.miniature.walk import RoomWalk
from radseg.miniature.world import structure_names
from radseg.ops.voxels import pack, voxel_indices
from radseg.runs.map_query import MapQuery
from radseg.segment import Segmenter
from radseg.types import Segments

REACH = 2.0
"""Voxels, at most, from a true voxel to the one of the map that it takes its object from."""


@dataclass(frozen=True, eq=False)
class ObjectClasses:
    """What objects are judged by.

    Attributes:
        names: the classes of the set.
        stuff: those that are no objects.
    """

    names: tuple[str, ...]
    stuff: Bool[np.ndarray, " c"]


@dataclass(frozen=True, eq=False)
class ObjectTruth:
    """True objects of one scene.

    Attributes:
        voxels: classes are those of `object_classes`.
        asked: class of every name that is asked for.
    """

    classes: ObjectClasses
    voxels: VoxelSegments
    asked: Int64[np.ndarray, " a"]


def object_classes(protocol: MapProtocol) -> ObjectClasses:
    """Return the classes of a set's objects.

    Raises:
        InputError: nobody has published which objects there are in its scenes, or no reader for them is here.
    """
    if protocol.source == "rendered":
        names = world_names()
        return ObjectClasses(names, np.isin(names, structure_names()))
    if protocol.name == "scannet":
        names = scannet200_names()
        return ObjectClasses(names, np.isin(names, STUFF))
    raise InputError(f"{protocol.name} is judged by its classes alone; --objects takes walks and scannet.")


def object_truth(protocol: MapProtocol, root: Path | None, scene: Scene) -> ObjectTruth:
    """Return the true objects of a scene that was opened.

    Raises:
        InputError, MissingFileError: the set has no true objects, or they are missing or not usable.
    """
    classes = object_classes(protocol)
    if isinstance(scene.sequence, RoomWalk):
        asked = np.array([classes.names.index(name) for name in scene.names])
        truth = walk_segments(scene.sequence, protocol.voxel_size)
        labels = asked[truth.segments.labels]
        voxels = VoxelSegments(truth.keys, Segments(truth.segments.ids, labels, truth.segments.crowd))
        return ObjectTruth(classes, voxels, asked)
    assert root is not None
    points = read_scannet_objects(root / scene.name, scannet200_categories(root))
    return ObjectTruth(classes, voxels_of_points(points, protocol.voxel_size), np.arange(len(classes.names)))


def voxels_of_points(points: LabelledPoints, voxel_size: float) -> VoxelSegments:
    """Return the objects of labelled points on voxels: each is of the object of most points, or of none.

    Raises:
        InputError: points beyond the reach of a map.
    """
    votes = LabelVotes(len(points.segments.labels) + 1)
    keys = pack(voxel_indices(torch.from_numpy(points.points).float(), voxel_size))
    votes.add(keys, torch.from_numpy(points.segments.ids))
    voxels = votes.winners(count_ignore=True)
    return VoxelSegments(voxels.keys, _present(voxels.labels, points.segments))


def _present(ids: Integer[np.ndarray, " m"], segments: Segments) -> Segments:
    """Return the segments that still have a voxel, counted anew."""
    kept = np.unique(ids[ids > 0])
    code = np.zeros(len(segments.labels) + 1, np.int64)
    code[kept] = np.arange(1, len(kept) + 1)
    return Segments(code[ids], segments.labels[kept - 1], segments.crowd[kept - 1])


def count_objects(made: SemanticMap, segmenter: Segmenter, truth: ObjectTruth) -> ObjectCounts:
    """Return what becomes of the objects of a map of features, all names asked for at once."""
    names = [truth.classes.names[number] for number in truth.asked]
    answer = MapQuery(made, None, segmenter).ask(names, mode="assign")
    stuff = truth.classes.stuff
    found = answered_objects(answer, truth.asked, stuff)
    return voxel_object_counts(truth.voxels, moved(found, answer.keys, truth.voxels.keys), stuff)


def moved(
    objects: Sequence[VoxelObject], keys: Integer[np.ndarray, "m 3"], true_keys: Integer[np.ndarray, "t 3"]
) -> tuple[VoxelObject, ...]:
    """Return the objects on the voxels of the truth: each takes what the nearest voxel of the map has.

    Points of a mesh and of depth images need not fall into the same voxels. Where they do, as on walks,
    nothing changes. A true voxel without one of the map within `REACH` has nothing; an object without a voxel
    is left out.

    Args:
        keys: voxels of the map.
    """
    every = np.concatenate([keys, *(one.keys for one in objects)])
    lengths = [len(keys), *(len(one.keys) for one in objects)]
    unique, row = np.unique(every, axis=0, return_inverse=True)
    number = np.zeros(len(unique), np.int64)
    number[row.reshape(-1)] = np.repeat(np.arange(len(lengths)), lengths)
    _, nearest = cKDTree(unique).query(true_keys, distance_upper_bound=REACH)
    own = np.append(number, 0)[nearest]  # without one within reach it is the number behind the last
    return tuple(
        replace(one, keys=true_keys[own == place])
        for place, one in enumerate(objects, start=1)
        if (own == place).any()
    )
