"""Measure the objects of maps: walks through held-out rooms, connected voxels against true ones. Offline.

    python -m training.miniature.evaluate_map_objects [--rooms 8]

Names are those of the room, mode `assign`; AP over things and panoptic quality on voxels, counts of all walks
together, 95 % intervals by drawing walks. Box centres are compared where an object is found at an IoU of 0.5.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from radseg.evaluation.images.objects import ObjectCounts, object_scores
from radseg.evaluation.maps.objects import (
    VoxelObject,
    VoxelSegments,
    centre_errors,
    connected_voxels,
    voxel_object_counts,
    walk_segments,
)
from radseg.evaluation.maps.scenes import map_scene
from radseg.evaluation.maps.truth import LabelledVoxels
from radseg.miniature.walk import FRAMES, RoomWalk
from radseg.presets.load import load
from radseg.runs.lifting import feature_mapper
from radseg.runs.map_query import MapQuery
from radseg.segment import Segmenter
from training.miniature.evaluate_maps import PROTOCOL
from training.miniature.evaluate_objects import percent, stuff_of_world, world_index


def found_objects(walk: RoomWalk, segmenter: Segmenter) -> tuple[VoxelObject, ...]:
    """Return the connected voxels of the map that a walk gives; classes are `world_names`."""
    made = map_scene(walk, feature_mapper(segmenter, PROTOCOL.voxel_size)).map
    answer = MapQuery(made, None, segmenter).ask(list(walk.room.names), mode="assign")
    code = world_index(walk.room.names)
    own = answer.scores[np.maximum(answer.labels - 1, 0), np.arange(len(answer.labels))]
    voxels = LabelledVoxels(answer.keys, answer.labels)
    found = connected_voxels(voxels, own, stuff_of_world()[code], voxel_size=PROTOCOL.voxel_size)
    return tuple(replace(one, label=int(code[one.label])) for one in found)


def true_objects_of(walk: RoomWalk) -> VoxelSegments:
    """Return the truth of a walk; classes are `world_names`."""
    truth = walk_segments(walk, PROTOCOL.voxel_size)
    labels = world_index(walk.room.names)[truth.segments.labels]
    return replace(truth, segments=replace(truth.segments, labels=labels))


def judged(walk: RoomWalk, segmenter: Segmenter) -> tuple[ObjectCounts, NDArray[np.float64]]:
    """Return the counts of one walk and its box errors in centimetres."""
    truth, objects, stuff = true_objects_of(walk), found_objects(walk, segmenter), stuff_of_world()
    errors = centre_errors(truth, objects, stuff, voxel_size=PROTOCOL.voxel_size)
    return voxel_object_counts(truth, objects, stuff), errors


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--first", type=int, default=910_000, help="seed of the first room")
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args()
    segmenter = load("miniature")
    counts, errors = [], []
    for seed in range(chosen.first, chosen.first + chosen.rooms):
        one, off = judged(RoomWalk(seed, frames=chosen.frames), segmenter)
        counts.append(one)
        errors.append(off)
        sys.stdout.write(f"room {seed}: {one.matches.truths.sum()} objects, {len(off)} found at 0.5\n")
    for name, score in object_scores(counts, stuff_of_world()).items():
        sys.stdout.write(f"{name:10} {percent(score)}\n")
    every = np.concatenate(errors)
    if len(every):
        low, middle, high = np.quantile(every, (0.25, 0.5, 0.75))
        sys.stdout.write(
            f"box centres off by {middle:.1f} cm (quartiles {low:.1f}, {high:.1f}; {len(every)})\n"
        )


if __name__ == "__main__":
    main()
