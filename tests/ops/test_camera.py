"""Points and pixels: projection undoes unprojection, motions compose, validity is as the data formats say."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.ops.camera import confident_pixels, limited, project, transform, unproject, valid_depth
from radseg.types import Intrinsics, Size

CAMERA = Intrinsics(30.0, 28.0, 15.5, 11.0, Size(24, 32))


def test_depth_is_valid_where_it_is_finite_and_positive():
    depth = torch.tensor([[1.0, 0.0, -1.0], [float("nan"), float("inf"), -float("inf")]])
    assert valid_depth(depth).tolist() == [[True, False, False], [False, False, False]]


def test_the_middle_of_the_image_lies_on_the_axis():
    depth = torch.full((24, 32), 2.5)
    camera = Intrinsics(30.0, 30.0, 16.0, 12.0, Size(24, 32))
    points = unproject(depth, camera, torch.tensor([12 * 32 + 16, 12 * 32 + 26]))
    assert torch.allclose(points, torch.tensor([[0.0, 0, 2.5], [2.5 / 3, 0, 2.5]]))


def test_projection_undoes_unprojection():
    depth = torch.rand(24, 32) + 0.5
    pixels = torch.arange(24 * 32)
    place, seen = project(unproject(depth, CAMERA, pixels), CAMERA)
    assert seen.all()
    expected = torch.stack([pixels % 32, pixels // 32], 1).float()
    assert torch.allclose(place, expected, atol=1e-4)


def test_points_behind_the_camera_or_beside_the_image_are_not_seen():
    points = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, 0, 0], [5, 0, 1], [0, -5, 1]])
    assert project(points, CAMERA)[1].tolist() == [True, False, False, False, False]


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_a_motion_and_its_inverse_cancel(numbers):
    rotation = torch.linalg.matrix_exp(torch.tensor(
        [[0, -numbers[2], numbers[1]], [numbers[2], 0, -numbers[0]], [-numbers[1], numbers[0], 0]],
        dtype=torch.float64))  # fmt: skip
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = rotation, torch.tensor(numbers[3:])
    points = torch.randn(10, 3)
    assert torch.allclose(transform(transform(points, matrix), matrix.inverse()), points, atol=1e-4)


def test_a_motion_turns_first_and_shifts_then():
    quarter = torch.tensor([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    assert transform(torch.tensor([[1.0, 2, 3]]), quarter).tolist() == [[3, 7, 10]]


def test_a_point_moves_the_same_alone_and_among_others():
    points, matrix = torch.randn(1000, 3), torch.randn(4, 4)
    together = transform(points, matrix)
    assert all(torch.equal(transform(points[i : i + 1], matrix)[0], together[i]) for i in range(0, 1000, 97))


def test_a_limit_keeps_that_many_points_once_each_and_repeats_itself():
    kept = limited(100, 30, torch.Generator().manual_seed(3))
    assert len(set(kept.tolist())) == 30
    assert kept.tolist() == limited(100, 30, torch.Generator().manual_seed(3)).tolist()
    assert limited(20, 30, torch.Generator()).tolist() == list(range(20))


def test_the_most_confident_come_first():
    assert confident_pixels(torch.tensor([0.1, 0.9, 0.5]), 2).tolist() == [1, 2]
