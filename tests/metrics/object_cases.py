"""Random objects for the metrics: masks that overlap, ids that do not."""

import numpy as np

from radseg.metrics.instances import FoundObjects, TrueObjects, place_sets
from radseg.types import Segments

SIDE = 24


def rectangles(rng, count):
    """Masks of random rectangles."""
    masks = np.zeros((count, SIDE, SIDE), bool)
    for mask in masks:
        top, left = rng.integers(0, SIDE - 3, 2)
        height, width = rng.integers(2, 14, 2)
        mask[top : top + height, left : left + width] = True
    return masks


def near(rng, masks):
    """Masks shifted a little, some doubled, and some that are nowhere."""
    rows = [
        np.roll(mask, rng.integers(-2, 3, 2), (0, 1)) for mask in masks for _ in range(rng.integers(0, 3))
    ]
    return np.stack([*rows, *rectangles(rng, 3)])


def image_of_objects(rng, classes):
    """True masks, their classes and crowds; found masks, their classes and scores with ties."""
    true = rectangles(rng, rng.integers(0, 7))
    found = near(rng, true)
    return (
        true,
        rng.integers(0, classes, len(true)),
        rng.random(len(true)) < 0.2,
        found,
        rng.integers(0, classes, len(found)),
        np.round(rng.random(len(found)), 1),
    )


def objects_of(case):
    """The same for `match_objects`."""
    true, true_labels, crowd, found, labels, scores = case
    return (
        FoundObjects(place_sets(found, SIDE**2), labels, scores),
        TrueObjects(place_sets(true, SIDE**2), true_labels, crowd),
    )


def segments(rng, classes, count, base=None):
    """A map of ids with void, near `base` where one is given."""
    if base is None:
        ids = np.zeros((SIDE, SIDE), np.int64)
        for number, mask in enumerate(rectangles(rng, count), start=1):
            ids[mask] = number
        return Segments(ids, rng.integers(0, classes, count), rng.random(count) < 0.2)
    ids = np.roll(base.ids, rng.integers(-1, 2, 2), (0, 1))
    ids[rng.random(ids.shape) < 0.1] = 0
    labels = np.where(rng.random(count) < 0.8, base.labels, rng.integers(0, classes, count))
    ids[:4, :4] = count + 1
    return Segments(ids, np.append(labels, 0), np.zeros(count + 1, bool))
