"""Frames to sums: what is left out and why, cameras apart, limits."""

from dataclasses import replace

import pytest
import torch

from mapping.map_builders import CHANNELS, SIZE, description, frame, grid_lift, grown
from radseg.errors import InputError
from radseg.mapping.description import MapDescription
from radseg.mapping.mapper import Mapper, SkippedFrame
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import unpack
from radseg.types import Intrinsics, Size

PIXELS = SIZE.height * SIZE.width
INVALID = 4  # of every frame: NaN, infinite, zero, negative


def sums(one, **limits):
    return Mapper(description(), grid_lift(), **limits).sums(one)


def with_pose(change):
    pose = frame().camera_to_world.clone()
    change(pose)
    return replace(frame(), camera_to_world=pose)


def test_every_valid_pixel_counts_once():
    assert int(sums(frame()).counts.sum()) == PIXELS - INVALID


def test_values_of_one_for_every_pixel_sum_to_the_counts():
    ones = Mapper(description(channels=1), lambda rgb: torch.ones(1, 4, 4)).sums(frame())
    assert torch.allclose(ones.values[:, 0], ones.counts.float(), rtol=1e-6)


SIDEWAYS = torch.eye(4)
SIDEWAYS[0, 3] = 100.0


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (with_pose(lambda m: m[0].fill_(-float("inf"))), "not finite"),
        (with_pose(lambda m: m[:3, :3].mul_(2)), "not a rotation"),
        (with_pose(lambda m: m[:3, 2].mul_(-1)), "not a rotation"),
        (replace(frame(), depth=torch.zeros(*SIZE)), "no pixel has a valid depth"),
        (replace(frame(), depth=torch.ones(3, 4)), "its depth is 3×4, its camera 24×32"),
        (replace(frame(), rgb=torch.full((3, 4, 4), float("nan"))), "colours are not finite"),
        (replace(frame(), rgb=torch.full((3, 4, 4), 200.0)), "go from 200 to 200, .*divided by 255"),
        (replace(frame(), rgb=torch.full((3, 4, 4), -1.7)), "normalised already"),
        (with_pose(lambda m: m[:3, 3].fill_(1e9)), "no point of it is within the map's reach"),
        (
            replace(frame(), colour_intrinsics=frame().intrinsics, depth_to_colour=SIDEWAYS),
            "the colour camera sees no point of it",
        ),
    ],
)
def test_a_frame_that_cannot_be_used_says_why(broken, reason):
    into = VoxelMap(description())
    with pytest.raises(SkippedFrame, match=reason):
        Mapper(description(), grid_lift()).integrate(broken, into)
    assert len(into) == 0


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_values_that_the_number_type_cannot_hold_are_not_stored(value):
    what = description(dtype="float16")
    with pytest.raises(SkippedFrame, match="beyond float16"):
        Mapper(what, lambda rgb: torch.full((CHANNELS, 2, 2), value)).sums(frame())


def test_a_lift_of_other_channels_is_refused():
    with pytest.raises(InputError, match="5 channels"):
        Mapper(description(), lambda rgb: torch.zeros(3, 2, 2)).sums(frame())


def test_space_and_lift_go_together():
    with pytest.raises(InputError, match="does not go with lift"):
        Mapper(MapDescription(0.1), grid_lift())


def test_a_box_keeps_points_strictly_inside():
    boxed = sums(frame(), box=((-1, -1, 0), (1, 1, 2)))
    indices = unpack(boxed.keys)
    assert 0 < int(boxed.counts.sum()) < PIXELS - INVALID
    assert int(indices[:, 2].max()) <= 20
    assert int(indices[:, 0].abs().max()) <= 10


def test_depth_beyond_the_limit_is_left_out():
    near = int((frame().depth <= 2).logical_and(frame().depth > 0).sum())
    assert int(sums(frame(), max_depth=2.0).counts.sum()) == near


def test_a_point_limit_is_kept_and_repeats_itself():
    one, same = sums(frame(), max_points=50), sums(frame(), max_points=50)
    assert int(one.counts.sum()) == 50
    assert torch.equal(one.keys, same.keys)


def test_a_colour_camera_in_the_same_place_is_registered_colour():
    registered = sums(frame())
    apart = sums(replace(frame(), colour_intrinsics=frame().intrinsics, depth_to_colour=torch.eye(4)))
    assert torch.equal(registered.keys, apart.keys)
    assert torch.allclose(registered.values, apart.values, atol=1e-4)
    assert torch.allclose(registered.colours, apart.colours, atol=1e-4)


def test_points_beside_the_colour_image_are_dropped():
    half = Intrinsics(30, 31, 0, 12, Size(24, 16))  # sees the right half of the depth image
    one = replace(frame(), colour_intrinsics=half, rgb=torch.rand(3, 24, 16))
    valid = frame().depth.isfinite() & (frame().depth > 0)
    assert int(sums(one).counts.sum()) == int(valid[:, 16:].sum())


def test_colour_is_taken_where_the_colour_camera_sees_the_point():
    """The colour camera stands 0.2 m to the right: a red right edge of its image colours points there."""
    rgb = torch.zeros(3, *SIZE)
    rgb[0, :, 20:] = 1
    shift = torch.eye(4)
    shift[0, 3] = -0.2
    depth = torch.full(tuple(SIZE), 2.0)
    one = replace(frame(), rgb=rgb, depth=depth, colour_intrinsics=frame().intrinsics, depth_to_colour=shift)
    red = sums(one)
    # u_colour = u - 30 · 0.2 / 2 = u - 3: red from u = 23, that is x = 2 · (23 - 16) / 30 = 0.467 m
    x = unpack(red.keys)[:, 0] * 0.1
    colour = red.colours[:, 0] / red.counts
    assert float(colour[x > 0.55].min()) > 0.99
    assert float(colour[x < 0.35].max()) < 0.01


def test_a_finer_image_is_shrunk_and_a_coarser_one_interpolated():
    fine = replace(frame(), rgb=torch.full((3, 48, 64), 0.25))
    coarse = replace(frame(), rgb=torch.full((3, 7, 9), 0.25))
    for one in (fine, coarse):
        result = sums(one)
        assert torch.allclose(result.colours / result.counts[:, None], torch.tensor(0.25), atol=1e-6)


def test_a_fine_pattern_is_averaged_not_sampled():
    """Every third column is white: plain interpolation at a third of the size would see black only."""
    rgb = torch.zeros(3, 72, 96)
    rgb[:, :, ::3] = 1
    result = sums(replace(frame(), rgb=rgb))
    inner = result.counts > 3
    assert torch.allclose((result.colours / result.counts[:, None])[inner], torch.tensor(1 / 3), atol=0.05)


def test_a_map_without_values_has_colours():
    what = MapDescription(0.1)
    chunk = grown_without_values(what).to_semantic_map().whole()
    assert chunk.values.shape == (len(chunk.keys), 0)
    assert 0 < float(chunk.colours.mean()) < 1
    assert torch.equal(chunk.keys, grown(range(2)).to_semantic_map().whole().keys)


def grown_without_values(what):
    into = VoxelMap(what)
    for index in range(2):
        Mapper(what).integrate(frame(index), into)
    return into
