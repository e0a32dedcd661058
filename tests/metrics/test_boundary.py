"""Boundary IoU equals erosion of every mask, pixel by pixel."""

import numpy as np
from metrics_cases import blobs

from oracles import pixel_counting
from radseg.metrics.boundary import boundary_counts
from radseg.metrics.confusion import Counts, mean_iou


def pooled(pairs, classes, band=2):
    parts = [boundary_counts(t, p, classes=classes, ignore=255, band=band) for t, p in pairs]
    return Counts(*(np.sum([getattr(c, n) for c in parts], axis=0) for n in ("both", "truth", "predicted")))


def test_boundary_iou_equals_the_oracle_on_random_blobs():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pairs, classes = blobs(rng), 5
        expected = pixel_counting.boundary_iou(pairs, classes, 255, 2)
        assert abs(float(mean_iou(pooled(pairs, classes))) - float(expected)) <= 1e-12


def test_a_perfect_map_has_boundary_iou_1():
    truth = np.repeat(np.arange(3), 6)[None].repeat(9, axis=0)
    assert float(mean_iou(pooled([(truth, truth + 1)], 3))) == 1.0


def test_the_band_is_two_pixels_wide():
    truth = np.zeros((20, 20), int)
    counts = boundary_counts(truth, truth + 1, classes=1, ignore=255)
    assert counts.truth.tolist() == [20 * 20 - 16 * 16]


def test_a_shift_by_the_band_costs_more_than_a_shift_by_one():
    truth = np.zeros((30, 30), int)
    truth[10:20, 10:20] = 1
    scores = [float(mean_iou(pooled([(truth, np.roll(truth, by, 1) + 1)], 2))) for by in (0, 1, 2, 4)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
