"""Connected voxels against a flood fill, and the crumbs beside them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from radseg.mapping.clusters import connected, with_crumbs


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


def line(start, length):
    return np.array([[start + i, 0, 0] for i in range(length)])


def joined(*parts, crumb=2, reach=3.0):
    keys = np.concatenate(parts)
    return with_crumbs(keys, connected(keys), crumb=crumb, reach=reach).tolist()


def test_a_crumb_goes_to_the_larger_part_within_reach():
    assert joined(line(0, 5), line(7, 1)) == [0] * 6
    assert joined(line(0, 5), line(9, 1)) == [0] * 5 + [1]
    assert joined(line(0, 5), line(7, 3)) == [0] * 5 + [1] * 3  # no crumb


def test_a_crumb_between_two_objects_does_not_make_them_one():
    assert joined(line(0, 5), line(6, 1), line(9, 5)) == [0] * 6 + [1] * 5


def test_crumbs_are_not_joined_to_each_other():
    assert joined(line(0, 1), line(3, 1), line(20, 1)) == [0, 1, 2]
    assert joined(line(0, 5), line(7, 1), line(9, 1)) == [0] * 6 + [1]


def test_the_parts_do_not_depend_on_the_order_of_the_voxels():
    keys = np.unique(np.random.default_rng(0).integers(0, 12, (160, 3)), axis=0)
    order = np.random.default_rng(1).permutation(len(keys))
    one = with_crumbs(keys, connected(keys), crumb=3, reach=2.5)
    other = with_crumbs(keys[order], connected(keys[order]), crumb=3, reach=2.5)
    same = (one[order][:, None] == one[order]) == (other[:, None] == other)
    assert same.all()
    assert len(set(one.tolist())) < len(set(connected(keys).tolist()))
