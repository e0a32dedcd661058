"""True objects on voxels: from the labelled points of a scan, and objects of a map moved onto them."""

import numpy as np

from radseg.datasets.rgbd.scannet_objects import LabelledPoints
from radseg.evaluation.maps.object_truth import moved, object_classes, voxels_of_points
from radseg.evaluation.maps.objects import VoxelObject
from radseg.evaluation.paper.map_protocols import MAP_PROTOCOLS
from radseg.types import Segments


def test_a_voxel_is_of_the_object_of_most_points_and_objects_without_a_voxel_are_gone():
    points = np.array([[0, 0, 0], [0.01, 0, 0], [0.02, 0, 0], [1, 0, 0], [1, 0, 0.01], [1.0, 0.01, 0]])
    segments = Segments(np.array([1, 2, 2, 3, 0, 0]), np.array([7, 8, 9]), np.array([False, True, False]))
    voxels = voxels_of_points(LabelledPoints(points, segments), 0.1)
    assert voxels.keys.tolist() == [[0, 0, 0], [10, 0, 0]]
    assert voxels.segments.ids.tolist() == [1, 0]
    assert (voxels.segments.labels.tolist(), voxels.segments.crowd.tolist()) == ([8], [True])


def test_true_voxels_take_the_object_of_the_nearest_voxel_of_the_map():
    keys = np.array([(x, 0, 0) for x in range(6)])
    objects = (VoxelObject(keys[:2], 3, 0.5), VoxelObject(keys[2:4], 4, 0.4), VoxelObject(keys[5:], 4, 0.2))
    true = np.array([(0, 1, 0), (1, 0, 0), (3, 0, 1), (4, 0, 0), (0, 9, 0)])
    first, second = moved(objects, keys, true)
    assert (first.keys.tolist(), first.label, first.score) == ([[0, 1, 0], [1, 0, 0]], 3, 0.5)
    assert second.keys.tolist() == [[3, 0, 1]]  # the fourth is nearest to a voxel of no object


def test_every_set_with_true_objects_names_things_and_stuff():
    for name in ("walks", "scannet"):
        classes = object_classes(MAP_PROTOCOLS[name])
        assert len(classes.names) == len(classes.stuff) > classes.stuff.sum() > 0
