"""True voxels: votes of points, votes of images, and files that are not what they should be."""

import numpy as np
import pytest
import torch

from radseg.datasets.rgbd.classes import class_table
from radseg.errors import InputError, MissingFileError
from radseg.evaluation.maps.truth import LabelVotes, external_voxels, lifted_truth, read_external
from radseg.types import Frame, Intrinsics, Size

TABLE = class_table({5: "wall", 9: "door"})


def test_points_vote_and_ignore_takes_part():
    points = torch.tensor([[0.0, 0, 0]] * 3 + [[1.0, 0, 0]] * 2)
    truth = external_voxels(points, torch.tensor([0, -1, 5, 9, 5]), TABLE, 0.1)
    assert truth.keys.tolist() == [[0, 0, 0], [10, 0, 0]]
    assert truth.labels.tolist() == [0, 1]  # ignore wins 2 : 1; of equals the lowest index


def test_voxels_of_points_round_half_to_even():
    points = torch.tensor([[0.5, 0, 0], [1.5, 0, 0], [-0.5, 0, 0]])
    assert external_voxels(points, torch.tensor([5, 9, 5]), TABLE, 1.0).keys[:, 0].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        (torch.zeros(2, 3), torch.tensor([1]), "do not go with 1 labels"),
        (torch.full((1, 3), torch.nan), torch.tensor([5]), "NaN, infinite"),
        (torch.zeros(1, 3), torch.tensor([10]), "class number 10"),
    ],
)
def test_points_that_cannot_be_truth_are_refused(points, labels, message):
    with pytest.raises(InputError, match=message):
        external_voxels(points, labels, TABLE, 0.1)


def frame(labels, depth=1.0):
    labels = torch.tensor(labels)
    size = Size(*labels.shape)
    camera = Intrinsics(1.0, 1.0, 0.0, 0.0, Size(2, 2))
    return Frame(
        "f",
        torch.zeros(3, *size),
        torch.full((2, 2), depth),
        camera,
        torch.eye(4, dtype=torch.float64),
        semantics=labels,
    )


class Frames(list):
    """A recording of these frames."""

    def frame_ids(self):
        return range(len(self))

    def read(self, frame_id):
        return self[frame_id]


def test_lifted_labels_let_ignore_take_only_what_nobody_wants():
    frames = [frame([[0, 0], [0, 2]]), frame([[0, 1], [0, 0]])]
    truth = lifted_truth(Frames(frames), 2, 1.0)
    place = {tuple(key): label for key, label in zip(truth.keys.tolist(), truth.labels.tolist(), strict=True)}
    assert place == {(0, 0, 1): 0, (1, 0, 1): 1, (0, 1, 1): 0, (1, 1, 1): 2}


def test_labels_finer_than_the_depth_are_shared_out():
    votes = LabelVotes(3)
    votes.add_frame(frame(np.repeat(np.repeat([[1, 1], [2, 2]], 2, 0), 2, 1).tolist()), 100.0)
    assert votes.shares()[0, 1:].tolist() == pytest.approx([0.5, 0.5])


def test_votes_add_up_in_any_order():
    frames = [frame([[0, 1], [1, 2]]), frame([[2, 1], [2, 2]], 2.0), frame([[2, 2], [0, 1]])]
    one, other = (lifted_truth(Frames(order), 2, 1.0) for order in (frames, frames[::-1]))
    assert np.array_equal(one.keys, other.keys)
    assert np.array_equal(one.labels, other.labels)


def test_a_frame_without_labels_is_refused():
    bare = frame([[0, 0], [0, 0]])
    with pytest.raises(InputError, match="Frame f has no labels"):
        LabelVotes(2).add_frame(Frame(**(vars(bare) | {"semantics": None})), 1.0)


def test_truth_files_are_read_without_executing_anything(tmp_path):
    good = {"semseg_gt_xyz": torch.zeros(2, 3, dtype=torch.float64), "semseg_gt_label": torch.tensor([1, 2])}
    torch.save(good, tmp_path / "good.pt")
    points, labels = read_external(tmp_path / "good.pt")
    assert points.dtype == torch.float32
    assert labels.tolist() == [1, 2]


class Trap:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"semseg_gt_xyz": torch.zeros(1, 3), "semseg_gt_label": torch.zeros(1)}, "HOV-SG's export"),
        ({"semseg_gt_xyz": torch.zeros(1, 3)}, "not a file of true points"),
        ({"semseg_gt_xyz": Trap(), "semseg_gt_label": torch.zeros(1)}, "not a file of true points"),
        (torch.zeros(3), "not a file of true points"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message, capsys):
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=message):
        read_external(tmp_path / "bad.pt")
    assert "executed" not in capsys.readouterr().out


def test_a_missing_or_damaged_truth_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="no true segmentation .*none.pt"):
        read_external(tmp_path / "none.pt")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="cut.pt"):
        read_external(tmp_path / "cut.pt")
