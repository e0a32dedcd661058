import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError
from radseg.ops.windows import Stitcher, crop_windows, plan_windows, stitch
from radseg.types import Size

GRID = st.builds(Size, st.integers(1, 40), st.integers(1, 40))


def test_window_table_of_the_reference(shared):
    table = json.loads((shared / "golden/2d/sizes.json").read_text())["windows"]
    compared = 0
    for height, width, crop, stride, (rows, columns), tops, lefts, size in table:
        if stride > crop:
            continue  # the reference leaves holes there; we refuse it
        plan = plan_windows(Size(height // 16, width // 16), crop=crop // 16, stride=stride // 16)
        assert sorted({w.top for w in plan}) == sorted(set(tops))
        assert sorted({w.left for w in plan}) == sorted(set(lefts))
        assert len(plan) == rows * columns
        assert {(w.height, w.width) for w in plan} == {tuple(size)}
        compared += 1
    assert compared > 30


@given(GRID, st.integers(1, 30), st.data())
def test_windows_cover_every_patch_and_stay_inside(grid, crop, data):
    stride = data.draw(st.integers(1, crop))
    seen = torch.zeros(grid, dtype=torch.int64)
    for w in plan_windows(grid, crop=crop, stride=stride):
        assert w.top >= 0
        assert w.left >= 0
        assert w.top + w.height <= grid.height
        assert w.left + w.width <= grid.width
        seen[w.top : w.top + w.height, w.left : w.left + w.width] += 1
    assert (seen > 0).all()


@given(GRID, st.integers(1, 30), st.data())
def test_stitch_of_crops_returns_the_image(grid, crop, data):
    stride = data.draw(st.integers(1, crop))
    image = torch.rand(3, *grid)
    plan = plan_windows(grid, crop=crop, stride=stride)
    tokens = crop_windows(image, plan, patch=1).flatten(2).mT
    torch.testing.assert_close(stitch(tokens, plan, grid), image)


def test_overlaps_are_averaged():
    plan = plan_windows(Size(1, 3), crop=2, stride=1)
    features = torch.tensor([[[0.0], [2.0]], [[4.0], [6.0]]])
    assert stitch(features, plan, Size(1, 3)).flatten().tolist() == [0, 3, 6]


@pytest.mark.parametrize("stride", [0, 22])
def test_stride_that_leaves_holes_is_refused(stride):
    with pytest.raises(InputError, match="from 1 to 21"):
        plan_windows(Size(30, 30), crop=21, stride=stride)


def test_uncovered_grid_is_refused():
    stitcher = Stitcher(Size(2, 2))
    stitcher.add(plan_windows(Size(1, 2), crop=2, stride=1), torch.rand(1, 2, 3))
    with pytest.raises(InputError, match="do not cover"):
        stitcher.mean()
