"""Renders of voxels: what is nearer hides what is behind, and up is up."""

import numpy as np
import pytest

from radseg.errors import InputError
from radseg.visual.maps import (
    Perspective,
    TopDown,
    camera_across,
    camera_from_above,
    class_shades,
    heat_shades,
    render_voxels,
    up_vector,
    without_ceiling,
)

RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 200, 20)
UPS = ("+x", "-x", "+y", "-y", "+z", "-z")


def plate(z, size=0.1, side=20):
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * size
    return np.concatenate([grid, np.full((len(grid), 1), z)], 1)


def colour_at(image, x, y):
    return np.asarray(image)[y, x].astype(int)


def nearest(colour):
    return min((RED, BLUE, GREEN), key=lambda one: np.abs(np.subtract(one, colour)).sum())


def shades(*blocks):
    return np.concatenate([np.tile(colour, (count, 1)) for colour, count in blocks]).astype(np.uint8)


def test_from_above_the_higher_plate_hides_the_lower():
    low, high = plate(0.0), plate(1.0)
    points, colours = np.concatenate([high, low]), shades((RED, 400), (BLUE, 400))
    for up, seen in (("+z", RED), ("-z", BLUE)):
        view = camera_from_above(points, up=up)
        image = render_voxels(points, colours, voxel_size=0.1, view=view, width=200, height=150)
        assert nearest(colour_at(image, 100, 75)) == seen


def test_nothing_shines_through_between_two_voxels_of_the_nearer_plate():
    points = np.concatenate([plate(1.0), np.add(plate(0.0), [0.05, 0.05, 0])])
    view = TopDown((0.95, 0.95, 0.5), 2.5)
    colours = shades((RED, 400), (BLUE, 400))
    image = render_voxels(points, colours, voxel_size=0.1, view=view, width=200, height=200)
    inside = np.asarray(image)[60:140, 60:140].astype(int)
    assert (inside[..., 0] > inside[..., 2]).all()


@pytest.mark.parametrize("azimuth", [20.0, 65.0, 290.0])
@pytest.mark.parametrize(("width", "height"), [(960, 720), (400, 800), (1600, 400)])
@pytest.mark.parametrize("extent", [(5, 4, 2), (1, 8, 1), (1, 1, 6)])
def test_perspective_shows_the_whole_map_and_not_much_else(azimuth, width, height, extent):
    points = np.random.default_rng(0).uniform(0, extent, (2000, 3))
    view = camera_across(points, azimuth=azimuth, aspect=width / height)
    low, high = np.percentile(points, [1, 99], axis=0)
    shown = view.project(np.clip(points, low, high), width, height)
    share = np.abs([shown.x / width - 0.5, shown.y / height - 0.5]).max() * 2
    assert 0.6 < share < 0.9


def test_in_perspective_the_nearer_plate_hides_the_farther():
    points, colours = np.concatenate([plate(0.0), plate(-1.0)]), shades((RED, 400), (BLUE, 400))
    view = Perspective((0.95, 0.9, 5.0), (0.95, 0.95, 0.0), up="+y")
    image = render_voxels(points, colours, voxel_size=0.1, view=view, width=200, height=150)
    assert nearest(colour_at(image, 100, 75)) == RED


def test_up_is_up_on_the_screen_for_every_axis():
    for up in UPS:
        points = np.stack([up_vector(up) * step for step in (0.0, 1.0)])
        projected = camera_across(points + 0.0, up=up, azimuth=30.0).project(points, 100, 100)
        assert projected.y[1] < projected.y[0]


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_views_are_right_handed_and_not_mirrored(up, turns):
    for axes in (TopDown((0, 0, 0), 1.0, up, turns).axes, Perspective((3, 2, 1), (0, 0, 0), up).axes):
        assert np.allclose(axes @ axes.T, np.eye(3))
        assert np.linalg.det(axes) == pytest.approx(1.0)  # right × down = forward
    assert np.allclose(TopDown((0, 0, 0), 1.0, up, turns).axes[2], -up_vector(up))


def test_what_is_behind_the_eye_is_not_drawn():
    points, colours = plate(3.0), shades((RED, 400))
    view = Perspective((1.0, 1.0, 0.0), (1.0, 1.0, -1.0), up="+y")
    with pytest.raises(InputError, match="No voxel is in view"):
        render_voxels(points, colours, voxel_size=0.1, view=view, width=64, height=64)


def test_a_voxel_is_as_large_as_its_size():
    points, colours = np.zeros((1, 3)), shades((GREEN, 1))
    image = render_voxels(
        points, colours, voxel_size=0.5, view=TopDown((0, 0, 0), 2.0), width=200, height=200
    )
    green = (np.abs(np.asarray(image).astype(int) - GREEN).sum(-1) < 60).sum()
    assert green == pytest.approx(50 * 50, rel=0.2)  # drawn 8 % larger, so that no gaps show


def test_the_ceiling_is_left_out_of_high_rooms_only():
    room = np.concatenate([plate(0.0), plate(1.9), plate(2.6)])
    assert without_ceiling(room).sum() == 800
    assert without_ceiling(room[:800]).all()
    assert without_ceiling(room, above=1.0).sum() == 400
    assert without_ceiling(room * [1, 1, -1], up="-z").sum() == 800


def test_the_longer_side_lies_across():
    tall = plate(0.0) * [1, 3, 1]
    view = camera_from_above(tall, up="+z")
    seen = view.project(tall, 400, 300)
    assert np.ptp(seen.x) > np.ptp(seen.y)
    assert seen.x.min() > 0
    assert seen.y.max() < 300


def test_nothing_to_show_and_a_wrong_axis_are_refused():
    with pytest.raises(InputError, match="no voxel to show"):
        render_voxels(
            np.empty((0, 3)), np.empty((0, 3), np.uint8), voxel_size=0.1, view=TopDown((0, 0, 0), 1.0)
        )
    with pytest.raises(InputError, match="Up is 'z'; choose from"):
        up_vector("z")


def test_classes_have_their_colours_and_none_is_grey():
    colours = np.full((3, 3), 0.5)
    shown = class_shades(colours, np.array([0, 1, 2]), ("mug", "chair")).astype(int)
    assert np.ptp(shown[0]) == 0
    assert np.ptp(shown[1]) > 20
    assert not np.array_equal(shown[1], shown[2])
    heat = heat_shades(colours, np.array([0.0, 0.5, 1.0])).sum(1)
    assert heat[0] < heat[1] < heat[2]
