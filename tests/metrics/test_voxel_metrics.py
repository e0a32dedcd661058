"""Label transfer and scores of voxels, against counting by hand and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError
from radseg.metrics.voxels import score_voxels, transfer_labels, transfer_labels_float32, union_labels


def lattice(seed, count, span=4):
    rng = np.random.default_rng(seed)
    keys = np.unique(rng.integers(-span, span, (count, 3)), axis=0)
    return keys, rng.integers(0, 4, len(keys))


def by_brute_force(truth, keys, labels, k):
    """Sort all voxels by (squared distance, index), count the labels of the first k."""
    result = []
    for point in truth.tolist():
        ranked = sorted(
            (sum((a - b) ** 2 for a, b in zip(point, key, strict=True)), key, label)
            for key, label in zip(keys.tolist(), labels.tolist(), strict=True)
        )
        near = [label for _, _, label in ranked[:k]]
        result.append(max(sorted(set(near)), key=near.count))
    return result


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 9))
def test_transfer_equals_sorting_everything(seed, count, k):
    truth, _ = lattice(seed + 1, 12)
    keys, labels = lattice(seed, count)
    assert transfer_labels(truth, keys, labels, neighbours=k).tolist() == by_brute_force(
        truth, keys, labels, k
    )


def test_transfer_does_not_depend_on_the_order_of_rows():
    truth, _ = lattice(1, 300)
    keys, labels = lattice(2, 300)
    order = np.random.default_rng(0).permutation(len(keys))
    one = transfer_labels(truth, keys, labels)
    assert np.array_equal(one, transfer_labels(truth, keys[order], labels[order]))


def test_more_equals_than_are_compared_first_are_all_compared():
    """72 voxels at one distance (√26): the five whose index comes first decide."""
    cube = np.array(list(np.ndindex(13, 13, 13))) - 6
    keys = cube[(cube**2).sum(1) == 26]
    labels = np.where(np.arange(72) < 5, 3, 1)  # ndindex counts in the order of the rule
    shuffled = np.random.default_rng(0).permutation(72)
    found = transfer_labels(np.zeros((1, 3), np.int64), keys[shuffled], labels[shuffled], neighbours=5)
    assert found.tolist() == [3]


def test_label_0_takes_part_and_the_smallest_of_equals_wins():
    keys = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    truth = np.array([[0, 0, 0]])
    assert transfer_labels(truth, keys, np.array([0, 0, 3, 3]), neighbours=4).tolist() == [0]
    assert transfer_labels(truth, keys, np.array([3, 2, 2, 3]), neighbours=4).tolist() == [2]


def test_far_away_voxels_get_a_label_too():
    keys = np.array([[0, 0, 0]])
    assert transfer_labels(np.array([[9999, 0, 0]]), keys, np.array([2])).tolist() == [2]


def test_float32_centres_agree_where_nothing_ties():
    truth = np.array([[0, 0, 0], [10, 0, 0]])
    keys = np.array([[0, 0, 1], [0, 2, 0], [3, 0, 0], [11, 0, 0], [12, 0, 1], [14, 0, 0]])
    labels = np.array([1, 1, 2, 3, 3, 0])
    lattice_labels = transfer_labels(truth, keys, labels, neighbours=3)
    rounded = transfer_labels_float32(truth, keys, labels, voxel_size=0.05, neighbours=3)
    assert lattice_labels.tolist() == rounded.tolist() == [1, 3]


@pytest.mark.parametrize(("keys", "k", "message"), [([], 5, "no voxels"), ([[0, 0, 0]], 0, "0 neighbours")])
def test_nothing_to_transfer_from_is_refused(keys, k, message):
    keys = np.array(keys, np.int64).reshape(-1, 3)
    with pytest.raises(InputError, match=message):
        transfer_labels(np.zeros((1, 3), np.int64), keys, np.zeros(len(keys), np.int64), neighbours=k)


def test_scores_are_those_counted_by_hand():
    truth = np.array([1, 1, 1, 2, 2, 0, 0])
    found = np.array([1, 2, 0, 2, 3, 1, 3])
    scores = score_voxels(truth, found, ("a", "b", "c"))
    assert scores.tp.tolist() == [1, 1, 0]
    assert scores.fp.tolist() == [0, 1, 1]
    assert scores.fn.tolist() == [2, 1, 0]
    assert scores.iou[:2].tolist() == [1 / 3, 1 / 3]
    assert math.isnan(scores.iou[2])  # the truth has no c: what was called c costs only b
    assert scores.miou == pytest.approx(1 / 3)
    assert scores.fmiou == pytest.approx(3 / 5 / 3 + 2 / 5 / 3)
    assert scores.accuracy == pytest.approx(2 / 5)


def test_frequency_weights_are_those_of_the_truth():
    truth = np.array([1, 1, 1, 2])
    scores = score_voxels(truth, np.array([1, 1, 1, 1]), ("a", "b"))
    assert scores.miou == pytest.approx(0.75 / 2)
    assert scores.fmiou == pytest.approx(0.75 * 0.75)


def test_a_scene_without_judged_voxels_has_no_scores():
    scores = score_voxels(np.zeros(3, np.int64), np.ones(3, np.int64), ("a",))
    assert math.isnan(scores.miou)
    assert math.isnan(scores.accuracy)


def test_labels_without_a_class_are_refused():
    with pytest.raises(InputError, match="The prediction has labels from 1 to 3; 2 classes go from 0 to 2"):
        score_voxels(np.array([1, 2]), np.array([1, 3]), ("a", "b"))
    with pytest.raises(InputError, match="2 voxels of truth but 1"):
        score_voxels(np.array([1, 2]), np.array([1]), ("a", "b"))


def test_the_union_fills_what_one_side_lacks_with_0():
    truth, keys = np.array([[0, 0, 1], [0, 0, 0]]), np.array([[0, 0, 1], [5, 0, 0]])
    one, other = union_labels(truth, np.array([2, 1]), keys, np.array([3, 4]))
    assert one.tolist() == [1, 2, 0]
    assert other.tolist() == [0, 3, 4]
