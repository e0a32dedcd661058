"""Random label maps with regions, for the metrics."""

import numpy as np


def blobs(rng, classes=5):
    """Two pairs of (truth with ignored pixels, similar labels with some none), labels from 1."""
    pairs = []
    for _ in range(2):
        height, width = rng.integers(5, 14, 2)
        coarse = rng.integers(0, classes, (3, 3))
        truth = coarse.repeat(5, 0).repeat(5, 1)[:height, :width].copy()
        labels = np.roll(truth, rng.integers(-1, 2, 2), (0, 1)) + 1
        labels[rng.random(truth.shape) < 0.05] = 0
        truth[rng.random(truth.shape) < 0.05] = 255
        pairs.append((truth, labels))
    return pairs
