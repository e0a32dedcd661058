"""The miniature end to end in 3D: seconds, offline, and better than chance by far."""

import numpy as np
import pytest
import torch
from training.miniature.evaluate_maps import ABSENT, WANTED, RoomWalk, run_map_demo

from radseg.datasets.rgbd import PoseReading, check_conventions
from radseg.errors import InputError
from radseg.types import Size


@pytest.fixture(scope="module")
def demo():
    return run_map_demo(RoomWalk(frames=5))


@pytest.mark.parametrize("space", ["features", "probabilities", "refined"])
def test_the_map_is_right_for_most_voxels(demo, space):
    """The guard-rail is well below what 5 views gave when this was written; chance is far below."""
    scores = demo.scores[space]
    assert scores.miou > 0.55
    assert scores.fmiou > 0.65
    assert scores.miou <= 1


def test_the_red_ball_is_found_within_10_cm(demo):
    assert demo.off < 0.10


def test_what_is_not_there_is_not_found(demo):
    assert demo.answer.instances()[ABSENT] == ()
    assert demo.answer.instances()[WANTED][0].score > 0.8


def test_the_walk_is_a_sequence_whose_poses_and_depth_fit():
    report = check_conventions(RoomWalk(frames=12, size=Size(120, 160)), pairs=3)
    assert report.ok
    # Nearest pixel, sharp edges, 320 pixels across 64 degrees: a step of a pixel on a far floor is 3 cm.
    assert report.residuals[PoseReading()] < 0.02


def test_the_walk_says_what_it_does_not_have():
    walk = RoomWalk(frames=2)
    with pytest.raises(InputError, match="2 views, none called '2'"):
        walk.read("2")
    with pytest.raises(InputError, match="0 objects called 'purple door'"):
        walk.place(ABSENT)
    frame = walk.read("1")
    assert torch.equal(frame.semantics.unique() >= 1, torch.ones(len(frame.semantics.unique()), dtype=bool))
    assert np.isfinite(frame.depth.numpy()).all()
