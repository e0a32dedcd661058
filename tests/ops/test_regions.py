"""Regions of label maps against a flood fill that shares no code with them."""

import numpy as np
import pytest

from oracles.regions_by_flood import regions_by_flood
from radseg.errors import InputError
from radseg.ops.regions import label_regions


def as_tuples(regions):
    return [
        (
            int(regions.labels[i]),
            int(regions.areas[i]),
            tuple(map(int, regions.boxes[i])),
            tuple(map(int, regions.peaks[i])),
            frozenset(map(tuple, np.argwhere(regions.ids == i + 1).tolist())),
        )
        for i in range(len(regions))
    ]


def test_regions_equal_a_flood_fill_on_1000_random_maps():
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        shape = rng.integers(1, 13, 2)
        labels = rng.integers(0, rng.integers(1, 5) + 1, shape).astype(rng.choice([np.uint8, np.int32]))
        confidence = rng.integers(0, 4, shape).astype(np.float32)  # few values: ties everywhere
        ignore, least = {0} if seed % 2 else set(), int(rng.integers(1, 4))
        regions = label_regions(labels, confidence, ignore=ignore, min_area=least)
        assert as_tuples(regions) == regions_by_flood(labels, confidence, ignore, least), seed


def test_corners_connect():
    regions = label_regions(np.eye(5, dtype=np.uint8), np.zeros((5, 5), np.float32), ignore={0})
    assert as_tuples(regions) == [(1, 5, (0, 0, 4, 4), (0, 0), frozenset((i, i) for i in range(5)))]


def test_rows_do_not_connect_around_the_border():
    labels = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]], np.uint8)
    assert len(label_regions(labels, np.zeros((6, 3), np.float32), ignore={0})) == 4


def test_one_label_everywhere_is_one_region():
    regions = label_regions(np.full((300, 401), 7), np.zeros((300, 401), np.float32))
    assert (regions.areas.tolist(), regions.boxes.tolist()) == ([300 * 401], [[0, 0, 400, 299]])


def test_no_region_large_enough_gives_none():
    regions = label_regions(np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.float32), min_area=10)
    assert len(regions) == 0
    assert regions.boxes.shape == (0, 4)
    assert not regions.ids.any()


def test_a_single_pixel_is_a_map():
    regions = label_regions(np.array([[4]]), np.array([[0.5]], np.float32))
    assert as_tuples(regions) == [(4, 1, (0, 0, 0, 0), (0, 0), frozenset({(0, 0)}))]


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (4,)])
def test_maps_that_do_not_fit_are_named(shape):
    with pytest.raises(InputError, match="one shape"):
        label_regions(np.zeros(shape, np.uint8), np.zeros((3, 3), np.float32))
