"""Voxel keys: reversible, in lexicographic order, halves to even."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError
from radseg.ops.voxels import LIMIT, centres, pack, reachable, sum_by_voxel, unpack, voxel_indices

INDEX = st.tuples(*[st.integers(-LIMIT, LIMIT - 1)] * 3)


@given(st.lists(INDEX, min_size=1, max_size=20))
def test_keys_are_reversible_and_sort_like_indices(indices):
    keys = pack(torch.tensor(indices))
    assert unpack(keys).tolist() == [list(one) for one in indices]
    assert bool((keys >= 0).all())
    assert [tuple(one) for one in unpack(keys.sort().values).tolist()] == sorted(indices)


@pytest.mark.parametrize("far", [LIMIT, -LIMIT - 1])
def test_an_index_beyond_a_key_is_refused(far):
    with pytest.raises(InputError, match="larger voxel size"):
        pack(torch.tensor([[0, far, 0]]))


def test_halves_go_to_the_even_voxel():
    points = torch.tensor([[0.125, 0.375, -0.125]])
    assert voxel_indices(points, 0.25).tolist() == [[0, 2, 0]]


def test_a_centre_belongs_to_its_own_voxel():
    indices = torch.randint(-1000, 1000, (500, 3))
    assert torch.equal(voxel_indices(centres(indices, 0.05), 0.05), indices)


def test_points_that_no_key_reaches_are_found():
    points = torch.tensor([[0.0, 0, 0], [1e6, 0, 0], [0, float("nan"), 0], [0, 0, -float("inf")]])
    assert reachable(points, 0.05).tolist() == [True, False, False, False]


def test_sums_count_every_point_once():
    keys = torch.tensor([5, 3, 5, 5])
    sums = sum_by_voxel(keys, torch.tensor([[1.0], [2], [3], [4]]), torch.ones(4, 3))
    assert (sums.keys.tolist(), sums.counts.tolist(), sums.values.tolist()) == ([3, 5], [1, 3], [[2], [8]])
