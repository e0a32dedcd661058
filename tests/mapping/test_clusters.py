"""Connected voxels against a flood fill, and the objects they make."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.mapping.clusters import connected, instances


def by_flood(keys):
    cells = {tuple(key): i for i, key in enumerate(keys.tolist())}
    labels, count = [-1] * len(cells), 0
    for start in cells:
        if labels[cells[start]] >= 0:
            continue
        stack = [start]
        while stack:
            x, y, z = stack.pop()
            if (x, y, z) in cells and labels[cells[x, y, z]] < 0:
                labels[cells[x, y, z]] = count
                stack += [(x + i - 1, y + j - 1, z + k - 1) for i, j, k in np.ndindex(3, 3, 3)]
        count += 1
    return labels


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 5))
def test_components_are_those_of_a_flood(seed, count, span):
    keys = np.unique(np.random.default_rng(seed).integers(-span, span, (count, 3)), axis=0)
    keys = np.random.default_rng(seed).permutation(keys)
    found, wanted = connected(keys), np.array(by_flood(keys))
    same = (found[:, None] == found) == (wanted[:, None] == wanted)
    assert same.all()


def test_corners_touch_and_gaps_do_not():
    keys = np.array([[0, 0, 0], [1, 1, 1], [3, 1, 1], [-1, 0, 0]])
    assert connected(keys).tolist() == [0, 0, 1, 0]
    assert connected(np.empty((0, 3), np.int64)).tolist() == []


def block(corner, side):
    return np.array(list(np.ndindex(side, side, side))) + corner


def test_instances_have_box_centroid_and_score():
    keys = np.concatenate([block((0, 0, 0), 2), block((10, 0, 0), 3), [[50, 0, 0]]])
    heat = np.concatenate([np.full(8, 0.6), np.full(27, 0.9), [0.99]]).astype(np.float32)
    found = instances("box", keys, heat, np.ones(36, bool), voxel_size=0.1)
    assert [one.voxels for one in found] == [27, 8]  # one voxel alone is noise
    first = found[0]
    assert first.score == pytest.approx(0.9)
    assert first.centroid == pytest.approx((1.1, 0.1, 0.1))
    assert first.low == pytest.approx((0.95, -0.05, -0.05))
    assert first.size == pytest.approx((0.3, 0.3, 0.3))
    assert len(instances("box", keys, heat, np.ones(36, bool), voxel_size=0.1, min_voxels=1)) == 3


def test_the_centroid_follows_the_probability():
    keys = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    heat = np.array([0, 0, 0.5, 0.5], np.float32)
    assert instances("x", keys, heat, np.ones(4, bool), voxel_size=1.0)[0].centroid[0] == pytest.approx(2.5)


def test_only_chosen_voxels_count():
    keys = block((0, 0, 0), 3)
    assert instances("x", keys, np.ones(27), np.zeros(27, bool), voxel_size=0.1) == ()
