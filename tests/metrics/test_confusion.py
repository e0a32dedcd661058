"""The scores equal their definitions counted pixel by pixel."""

import numpy as np
import pytest

from oracles import pixel_counting
from radseg.errors import InputError
from radseg.metrics.confusion import (
    Counts,
    confusion_matrix,
    frequency_weighted_iou,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
)

SCORES = {
    "miou": mean_iou,
    "mean_accuracy": mean_accuracy,
    "pixel_accuracy": pixel_accuracy,
    "fmiou": frequency_weighted_iou,
}


def random_case(seed):
    """A set of one to three small images, some classes absent, some pixels ignored or labelled none."""
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 12))
    ignore = int(rng.choice([255, classes, 65535]))
    present = rng.permutation(classes)[: rng.integers(1, classes + 1)]
    pairs = []
    for _ in range(rng.integers(1, 4)):
        shape = tuple(rng.integers(1, 9, 2))
        truth = rng.choice(present, shape).astype(np.uint16)
        labels = rng.integers(0, classes + 1, shape).astype(np.uint8)
        keep = rng.random(shape) < 0.5
        labels = np.where(keep, truth + 1, labels).astype(np.uint8)
        truth[rng.random(shape) < rng.choice([0, 0.3, 1], p=[0.5, 0.45, 0.05])] = ignore
        pairs.append((truth, labels))
    return pairs, classes, ignore


def counts_of(pairs, classes, ignore):
    matrices = [confusion_matrix(t, p, classes=classes, ignore=ignore) for t, p in pairs]
    return Counts.of(np.sum(matrices, axis=0))


def test_scores_equal_the_oracle_on_a_thousand_random_sets():
    absent = ignored = 0
    for seed in range(1000):
        pairs, classes, ignore = random_case(seed)
        expected = pixel_counting.scores(pairs, classes, ignore)
        counts = counts_of(pairs, classes, ignore)
        for name, score in SCORES.items():
            assert_same(float(score(counts)), expected[name], (seed, name))
        for ours, wanted in zip(counts.iou(), expected["iou"], strict=True):
            assert_same(float(ours), wanted, seed)
        absent += any(value is None for value in expected["iou"])
        ignored += any((truth == ignore).any() for truth, _ in pairs)
    assert absent > 100
    assert ignored > 300


def assert_same(ours, wanted, about):
    if wanted is None:
        assert np.isnan(ours), about
    else:
        assert abs(ours - float(wanted)) <= 1e-12, about


def test_none_is_the_last_column_and_always_wrong():
    matrix = confusion_matrix(np.array([[0, 1, 1]]), np.array([[0, 2, 1]]), classes=2, ignore=255)
    assert matrix.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert float(pixel_accuracy(Counts.of(matrix))) == pytest.approx(1 / 3)


def test_many_matrices_give_many_scores():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 5, (7, 4, 5))
    together = mean_iou(Counts.of(matrices))
    assert together.tolist() == [float(mean_iou(Counts.of(one))) for one in matrices]


def test_a_label_map_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"2×3 pixels and the labels 2×4"):
        confusion_matrix(np.zeros((2, 3), int), np.zeros((2, 4), int), classes=2, ignore=255)


@pytest.mark.parametrize(("truth", "label", "what"), [(2, 0, "truth"), (0, 3, "labels"), (0, -1, "labels")])
def test_values_beyond_the_classes_are_refused(truth, label, what):
    with pytest.raises(InputError, match=f"The {what} hold"):
        confusion_matrix(np.array([[truth]]), np.array([[label]]), classes=2, ignore=255)
