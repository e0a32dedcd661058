"""Objects of a map: ranked by probability and size together, upright boxes around them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError
from radseg.mapping.boxes import upright_box
from radseg.mapping.objects import default_min_size, objects_of


def block(corner, side):
    return np.array(list(np.ndindex(side, side, side))) + corner


def found(keys, heat, voxel_size=0.1, **options):
    heat = np.broadcast_to(np.asarray(heat, np.float32), len(keys))
    return objects_of("box", keys, heat, np.ones(len(keys), bool), voxel_size=voxel_size, **options)


def test_objects_have_box_centroid_and_score():
    keys = np.concatenate([block((0, 0, 0), 3), block((10, 0, 0), 4), [[50, 0, 0]]])
    heat = np.concatenate([np.full(27, 0.6), np.full(64, 0.9), [0.99]])
    first, second = found(keys, heat)  # one voxel alone is no object
    assert (first.voxels, second.voxels) == (64, 27)
    assert first.probability == pytest.approx(0.9)
    assert first.score == pytest.approx(64 * 0.9 / (64 + 5))  # 0.05 m² are 5 voxels of 10 cm
    assert first.peak == pytest.approx(0.9)
    assert first.centroid == pytest.approx((1.15, 0.15, 0.15))
    assert first.low == pytest.approx((0.95, -0.05, -0.05))
    assert first.box.size == pytest.approx((0.4, 0.4, 0.4))
    assert first.rows.tolist() == list(range(27, 91))
    assert len(found(keys, heat, min_size=0)) == 3
    assert len(found(keys, heat, min_size=0.35)) == 1


def test_a_crumb_that_is_surer_comes_after_the_object():
    keys = np.concatenate([block((0, 0, 0), 6), block((20, 0, 0), 3)])
    heat = np.concatenate([np.full(216, 0.8), np.full(27, 0.9)])
    assert [one.voxels for one in found(keys, heat, voxel_size=0.05)] == [216, 27]


def test_the_rank_does_not_depend_on_the_voxel_size():
    coarse = found(block((0, 0, 0), 1), 0.8, voxel_size=0.4, min_size=0)[0]
    sheet = np.array([[x, y, 0] for x in range(4) for y in range(4)])
    assert found(sheet, 0.8, voxel_size=0.1, min_size=0)[0].score == pytest.approx(coarse.score)


def test_the_smallest_object_is_given_in_metres():
    assert default_min_size(0.05) == pytest.approx(0.1)
    assert default_min_size(0.01) == 0.05
    with pytest.raises(InputError, match="finite and not negative"):
        found(block((0, 0, 0), 3), 0.5, min_size=math.nan)


def test_what_is_far_less_sure_than_the_best_is_left_out_unless_a_size_is_told():
    keys = np.concatenate([block((0, 0, 0), 6), block((20, 0, 0), 2), block((30, 0, 0), 3)])
    heat = np.repeat([0.9, 0.9, 0.8], [216, 8, 27])  # scores 0.88, 0.55 and 0.68
    assert [one.voxels for one in found(keys, heat)] == [216, 27, 8]
    heat[216:224] = 0.8  # 0.49
    assert [one.voxels for one in found(keys, heat)] == [216, 27]
    assert [one.voxels for one in found(keys, heat, min_size=0.2)] == [216, 27, 8]


def test_the_centroid_follows_the_probability():
    keys = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    assert found(keys, [0, 0, 0.5, 0.5], voxel_size=1.0)[0].centroid[0] == pytest.approx(2.5)


def test_only_chosen_voxels_count():
    keys = block((0, 0, 0), 3)
    assert objects_of("x", keys, np.ones(27), np.zeros(27, bool), voxel_size=0.1) == ()


@pytest.mark.parametrize("up", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_a_box_turned_about_the_vertical_is_found(up):
    vertical = "xyz".index(up[1])
    flat = [(vertical + 1) % 3, (vertical + 2) % 3]
    angle = math.radians(30)
    grid = np.array(list(np.ndindex(160, 160, 5))) - (80, 80, 0)
    along = grid[:, 0] * math.cos(angle) + grid[:, 1] * math.sin(angle)
    across = -grid[:, 0] * math.sin(angle) + grid[:, 1] * math.cos(angle)
    inside = grid[(np.abs(along) <= 60) & (np.abs(across) <= 20)]
    keys = np.empty_like(inside)
    keys[:, flat], keys[:, vertical] = inside[:, :2], inside[:, 2]
    box = upright_box(keys, 0.01, up)
    assert box.size == pytest.approx((1.2, 0.4, 0.05), abs=0.03)
    assert abs(box.axes[0][flat[0]]) == pytest.approx(math.cos(angle), abs=0.02)
    assert box.axes[2][vertical] == (1 if up[0] == "+" else -1)
    axes = np.array(box.axes)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert box.centre[vertical] == pytest.approx(0.02)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_box_holds_its_voxels_and_is_no_larger_than_the_one_along_the_axes(seed, count):
    keys = np.unique(np.random.default_rng(seed).integers(-9, 9, (count, 3)), axis=0)
    box = upright_box(keys, 0.1, "+z")
    corners = np.concatenate([keys + np.array(c) for c in np.ndindex(2, 2, 2)]) * 0.1 - 0.05
    inside = np.abs((corners - box.centre) @ np.array(box.axes).T)
    assert (inside <= np.array(box.size) / 2 + 1e-9).all()
    width, depth, _ = (keys.max(0) - keys.min(0) + 1) * 0.1
    assert box.size[0] * box.size[1] <= width * depth + 1e-6
    assert box.size[0] >= box.size[1] - 1e-9
    assert (box.corners.min(0) <= corners.min(0) + 1e-9).all()
