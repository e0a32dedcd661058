"""The world against laws of geometry and a slow ray caster; what is held out stays out."""

import numpy as np
import pytest

from radseg.miniature.world import (
    FIRST_OBJECT,
    captions,
    free_camera,
    held_out_names,
    make_room,
    pose_towards,
    render,
    render_smooth,
    sequence_cameras,
    structure_names,
    training_names,
)
from radseg.miniature.world.materials import TEXTURES, albedo
from radseg.miniature.world.names import is_held_out_style

SEEDS = range(40)


def small_view(number, **changes):
    room = make_room(number)
    return room, render(room, free_camera(room, 0, height=96, width=128), **changes)


def is_inside(solid, points):
    """Say which points "n 3" lie in the solid, from its definition, one solid at a time."""
    x, y, z = (points - np.array(solid.centre)).T
    c, s = np.cos(solid.yaw), np.sin(solid.yaw)
    u, v, w = (c * x + s * y) / solid.half[0], (c * y - s * x) / solid.half[1], z / solid.half[2]
    if solid.shape == "box":
        return (abs(u) <= 1) & (abs(v) <= 1) & (abs(w) <= 1)
    if solid.shape == "sphere":
        return u**2 + v**2 + w**2 <= 1
    radius = 1 + (solid.taper - 1) * (w + 1) / 2
    return (abs(w) <= 1) & (u**2 + v**2 <= radius**2)


def march(room, camera, row, column, step=0.002):
    """Return (depth, instance or None for the room itself) by walking along one ray."""
    pixel = np.array([column + 0.5, row + 0.5, 1.0])
    direction = camera.camera_to_world[:3, :3] @ np.linalg.inv(camera.intrinsics) @ pixel
    depths = np.arange(step, 12, step / np.linalg.norm(direction))
    points = camera.camera_to_world[:3, 3] + depths[:, None] * direction
    outside = ((points < 0) | (points > np.array(room.size))).any(1)
    best = (float(depths[outside.argmax()]), None)
    for index, object in enumerate(room.objects):
        for solid in object.solids:
            inside = is_inside(solid, points)
            if inside.any() and depths[inside.argmax()] < best[0]:
                best = (float(depths[inside.argmax()]), FIRST_OBJECT + index)
    return best


@pytest.mark.parametrize("seed", [3, 8])
def test_depth_and_instance_agree_with_a_slow_ray_caster(seed):
    room, view = small_view(seed)
    rng = np.random.default_rng(seed)
    for row, column in zip(rng.integers(0, 96, 30), rng.integers(0, 128, 30), strict=True):
        depth, instance = march(room, view.camera, row, column)
        assert view.depth[row, column] == pytest.approx(depth, abs=0.006)
        assert max(view.instance[row, column], FIRST_OBJECT - 1) == (instance or FIRST_OBJECT - 1)


def test_a_point_seen_twice_is_the_same_object_and_nothing_is_seen_through():
    room = make_room(4)
    a, b = (render(room, camera) for camera in sequence_cameras(room, 16, height=96, width=128)[:2])
    y, x = np.mgrid[0:96, 0:128] + 0.5
    rays = np.linalg.inv(a.camera.intrinsics) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    points = a.camera.camera_to_world[:3, :3] @ (rays * a.depth.ravel()) + a.camera.camera_to_world[:3, 3:]
    pose = b.camera.camera_to_world
    in_b = pose[:3, :3].T @ (points - pose[:3, 3:])
    u, v, z = b.camera.intrinsics @ in_b
    column, row = np.floor(u / z).astype(int), np.floor(v / z).astype(int)
    shown = (z > 0.1) & (column >= 0) & (column < 128) & (row >= 0) & (row < 96)
    met = b.depth[row[shown], column[shown]]
    same_point = abs(met - z[shown]) < 0.02
    same_object = b.instance[row[shown], column[shown]] == a.instance.ravel()[shown]
    assert same_point.sum() > 2000
    assert same_object[same_point].mean() > 0.98
    assert (met < z[shown] + 0.3).mean() > 0.98  # what is seen behind the point lies on silhouettes only


def test_the_same_seed_gives_the_same_view():
    first, second = small_view(5)[1], small_view(5)[1]
    for part in ("rgb", "depth", "semantic", "instance"):
        assert np.array_equal(getattr(first, part), getattr(second, part))


def test_another_render_seed_changes_noise_but_not_labels():
    first, second = small_view(5)[1], small_view(5, seed=1)[1]
    assert not np.array_equal(first.rgb, second.rgb)
    assert np.array_equal(first.instance, second.instance)
    assert np.array_equal(first.depth, second.depth)


def test_a_smooth_view_has_the_same_labels_and_nearly_the_same_colours():
    room, plain = small_view(5)
    smooth = render_smooth(room, plain.camera)
    assert np.array_equal(smooth.instance, plain.instance)
    assert abs(smooth.rgb.astype(float) - plain.rgb).mean() < 12


def test_training_rooms_hold_no_held_out_name_and_no_held_out_style():
    for seed in SEEDS:
        room = make_room(seed)
        assert set(room.names) <= set(training_names())
        floor = room.face_names[2].split()
        assert not is_held_out_style(room.faces[0], "carpet" if floor[1] == "carpet" else floor[0])


def test_held_out_rooms_hold_unseen_styles_and_unseen_names():
    rooms = [make_room(seed, split="held_out") for seed in SEEDS]
    assert all(
        is_held_out_style(r.faces[0], "carpet" if r.faces[2].startswith("carpet") else r.faces[2])
        for r in rooms
    )
    assert sum(bool(set(room.names) & set(held_out_names())) for room in rooms) > 30


def test_every_held_out_name_is_made_of_words_that_training_uses():
    known = {word for name in training_names() for word in name.split()}
    assert not set(held_out_names()) & set(training_names())
    assert {word for name in held_out_names() for word in name.split()} <= known


def test_cameras_stand_upright_and_point_where_they_should():
    eye, target = (1.0, 2.0, 1.5), (3.0, 2.5, 0.5)
    pose = pose_towards(eye, target)
    x, y, z = np.linalg.inv(pose)[:3] @ [*target, 1]
    assert (x, y) == pytest.approx((0, 0), abs=1e-9)
    assert z == pytest.approx(np.linalg.norm(np.subtract(eye, target)))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert pose[2, 1] < 0  # OpenCV: y of the camera points down


def test_captions_name_what_is_seen_and_nothing_else():
    _, view = small_view(6)
    said = captions(view)
    assert set(said[:-1]) <= set(view.shares())
    assert all(view.shares()[name] >= 0.02 for name in said[:-1])
    assert all(name in said[-1] for name in said[:-1])


def test_semantic_and_instance_labels_tell_the_same_name():
    room, view = small_view(7)
    for instance in np.unique(view.instance):
        names = {view.names[i] for i in np.unique(view.semantic[view.instance == instance])}
        assert names == {room.instance_name(int(instance))}


def test_objects_stand_inside_the_room_and_apart():
    for seed in SEEDS:
        room = make_room(seed)
        for object in room.objects:
            for solid in object.solids:
                assert all(-0.5 < c < s + 0.5 for c, s in zip(solid.centre, room.size, strict=True))


@pytest.mark.parametrize("finish", [*TEXTURES, "red", "carpet blue"])
def test_albedo_depends_on_the_place_alone_and_stays_in_range(finish):
    u, v = np.random.default_rng(0).uniform(-3, 3, (2, 500)).astype(np.float32)
    tint = np.ones(3, np.float32)
    whole = albedo(finish, u, v, 5, tint)
    assert whole.min() >= 0
    assert whole.max() <= 1
    assert np.array_equal(whole[100:200], albedo(finish, u[100:200], v[100:200], 5, tint))


def test_walls_floor_and_ceiling_have_names_of_the_structure():
    for seed in SEEDS:
        assert set(make_room(seed).face_names) <= set(structure_names())
