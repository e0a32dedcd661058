"""Objects of maps: true voxels of a walk, connected voxels, what lies outside, boxes and ids."""

import numpy as np
import pytest

from radseg.evaluation.images.objects import object_scores
from radseg.evaluation.maps.objects import (
    VoxelObject,
    VoxelSegments,
    centre_errors,
    connected_voxels,
    ids_in_frame,
    one_id_share,
    voxel_object_counts,
    walk_segments,
)
from radseg.evaluation.maps.truth import LabelledVoxels, lifted_truth
from radseg.miniature.walk import RoomWalk
from radseg.miniature.world import structure_names
from radseg.types import Segments, Size

STUFF = np.array([False, True])


def row(start, stop, y=0):
    return np.array([(x, y, 0) for x in range(start, stop)])


@pytest.fixture
def truth():
    """Two things in a line, then a wall."""
    keys = np.concatenate([row(0, 10), row(10, 20), row(0, 20, y=5)])
    ids = np.repeat([1, 2, 3], [10, 10, 20])
    return VoxelSegments(keys, Segments(ids, np.array([0, 0, 1]), np.zeros(3, bool)))


def objects(*parts):
    return [VoxelObject(keys, label, score) for keys, label, score in parts]


def test_voxels_of_a_walk_have_the_class_of_the_lifted_labels():
    walk = RoomWalk(3, frames=2, size=Size(60, 80))
    lifted = lifted_truth(walk, len(walk.room.names), 0.1)
    found = walk_segments(walk, 0.1, smallest=1)
    assert np.array_equal(found.keys, lifted.keys)
    labels = np.append(found.segments.labels, -1)[found.segments.ids - 1] + 1
    # A voxel of several objects of one name may go by names to them, by objects to another: 0.2 % here.
    assert (labels == lifted.labels).mean() > 0.98
    things = [
        walk.room.names[i] for i in found.segments.labels if walk.room.names[i] not in structure_names()
    ]
    assert 0 < len(things) <= len(walk.room.objects)


def test_true_objects_are_found_whole_and_two_that_touch_as_one(truth):
    apart = objects((row(0, 10), 0, 0.9), (row(10, 20), 0, 0.8), (row(0, 20, y=5), 1, 0.7))
    joined = objects((row(0, 20), 0, 0.9), (row(0, 20, y=5), 1, 0.7))
    scores = object_scores([voxel_object_counts(truth, apart, STUFF)], STUFF)
    assert {score.value for score in scores.values()} == {1}
    scores = object_scores([voxel_object_counts(truth, joined, STUFF)], STUFF)
    assert (scores["ap50"].value, scores["pq_objects"].value) == (pytest.approx(51 / 101), 0)


def test_voxels_that_the_truth_does_not_have_are_void(truth):
    wide = np.concatenate([row(0, 10), row(0, 9, y=1)])
    counts = voxel_object_counts(truth, objects((wide, 0, 0.9)), STUFF)
    assert counts.panoptic.iou[0] == 1
    assert not counts.matches.right[-1, 0]  # AP takes the whole object: 10 of 19


def test_connected_voxels_are_objects_and_stuff_is_one():
    keys = np.concatenate([row(0, 5), row(7, 12), row(20, 22), row(0, 2, y=9), row(9, 12, y=9)])
    labels = np.repeat([1, 1, 1, 2, 2], [5, 5, 2, 2, 3])
    likely = np.linspace(0, 1, len(keys))
    found = connected_voxels(LabelledVoxels(keys, labels), likely, STUFF, voxel_size=0.05, min_size=0.15)
    assert [(one.label, len(one.keys)) for one in found] == [(0, 5), (0, 5), (1, 5)]
    assert found[0].score == pytest.approx(likely[5:10].sum() / (5 + 20))  # the surer first; 0.05 m² of doubt
    assert found[2].score == pytest.approx(likely[12:].mean())


def test_boxes_are_compared_middle_to_middle_in_centimetres(truth):
    found = objects((row(10, 18), 0, 0.9), (row(0, 4), 0, 0.8), (row(0, 20, y=5), 1, 0.5))
    errors = centre_errors(truth, found, STUFF, voxel_size=0.05)
    assert errors == pytest.approx([5.0])  # 8 of 10 voxels: one voxel off; 4 of 10 are no pair


def test_an_object_has_the_id_that_covers_most_of_it():
    true = np.array([[1, 1, 1, 2], [0, 0, 3, 3]])
    found = np.array([[5, 5, 0, 7], [9, 9, 0, 0]])
    assert ids_in_frame(true, found, smallest=2) == {1: 5, 3: 0}


def test_one_id_through_the_walk_is_the_same_and_nobody_elses():
    frames = [{1: 5, 2: 6, 3: 7, 4: 7, 5: 0, 6: 8}, {1: 5, 2: 9, 3: 7, 4: 7, 5: 0}]
    assert one_id_share(frames) == 1 / 5  # 1 only; 6 is seen once
    assert np.isnan(one_id_share(frames[:1]))
