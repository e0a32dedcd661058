"""Objects associated across frames: two cubes of one class that touch, seen from around them."""

import math

import numpy as np
import pytest
import torch

from radseg.errors import CheckpointError
from radseg.mapping.description import NOTHING, MapDescription
from radseg.mapping.identity import identified
from radseg.mapping.mapper import Mapper
from radseg.mapping.objects import objects_of
from radseg.mapping.segments import voxel_segments
from radseg.mapping.sightings import Sightings, joined, read_sightings
from radseg.mapping.tracks import Tracks
from radseg.ops.voxels import pack, unpack
from radseg.types import Frame, Intrinsics, Size

CUBES = np.array([[[-0.5, -0.25, -0.25], [0, 0.25, 0.25]], [[0, -0.25, -0.25], [0.5, 0.25, 0.25]]])
CAMERA = Intrinsics(60, 60, 31.5, 23.5, Size(48, 64))
AROUND = (-0.8, 0.0, 0.8, math.pi)
"""The last one sees no voxel that the others saw."""


def view(angle, number=0):
    """A frame of the cubes from two metres; the first is dark, the second bright."""
    z = np.array([-math.sin(angle), 0, math.cos(angle)])
    x, y, eye = np.array([z[2], 0, -z[0]]), np.array([0, 1.0, 0]), -2 * z
    v, u = np.mgrid[0:48, 0:64]
    rays = ((u - 31.5) / 60)[..., None] * x + ((v - 23.5) / 60)[..., None] * y + z
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = (CUBES[:, :, None, None] - eye) / rays
    near, far = ends.min(1).max(-1), ends.max(1).min(-1)
    depth = np.where(near < far, near, np.inf)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([x, y, z], 1), eye
    shade = np.where(depth.argmin(0) == 0, 0.2, 0.8)
    return Frame(
        f"{number}",
        torch.from_numpy(np.broadcast_to(shade, (3, 48, 64)).copy()).float(),
        torch.from_numpy(np.where(np.isinf(depth.min(0)), 0, depth.min(0))).float(),
        CAMERA,
        torch.from_numpy(pose),
    )


def apart(rgb):
    return 1 + (rgb[0] > 0.5).long()


def together(rgb):
    return torch.ones(rgb.shape[1:], dtype=torch.int64)


def seen(angles, masks=None):
    """What frames saw whose 2D masks are `apart`, or as given."""
    what = MapDescription(0.1, NOTHING, 0)
    return Sightings(
        [
            Mapper(what, find_segments=(masks or [apart] * len(angles))[i]).observed(view(angle, i))[1]
            for i, angle in enumerate(angles)
        ]
    )


def objects(sightings, tracks):
    keys = unpack(torch.from_numpy(np.unique(np.concatenate([one.keys() for one in sightings])))).numpy()
    likely = np.ones(len(keys), np.float32)
    some = objects_of("cube", keys, likely, likely > 0, voxel_size=0.1, tracks=tracks)
    return keys, identified({"cube": some}, keys, sightings, tracks)["cube"]


@pytest.fixture(scope="module")
def walk():
    return seen(AROUND)


def test_two_cubes_that_touch_are_one_object_by_voxels_and_two_by_the_frames(walk):
    assert len(objects(walk, None)[1]) == 1
    keys, found = objects(walk, Tracks.of(walk))
    assert len(found) == 2
    left, right = sorted(found, key=lambda one: one.centroid)
    assert (keys[left.rows, 0] <= 0).all()
    assert (keys[right.rows, 0] >= 0).all()
    assert (left.middle[0], right.middle[0]) == (
        pytest.approx(-0.25, abs=0.06),
        pytest.approx(0.25, abs=0.06),
    )


@pytest.mark.parametrize(("joining", "count"), [(0, 2), (1, 2), (2, 1), (3, 1), (4, 1)])
def test_what_more_frames_say_counts_and_equal_ones_join(joining, count):
    masks = [together] * joining + [apart] * (4 - joining)
    sightings = seen((-0.2, 0.2, 0.4, 0.0), [masks[i] for i in (3, 0, 1, 2)])
    assert len(objects(sightings, Tracks.of(sightings))[1]) == count


def test_frames_without_2d_objects_say_nothing(walk):
    bare = Sightings([one._replace(packed_segments=b"") for one in walk])
    assert Tracks.of(bare) is None
    assert Tracks.of(None) is None
    mixed = Sightings([*bare, *walk])
    assert len(objects(mixed, Tracks.of(mixed))[1]) == 2


def test_ids_survive_a_save_a_merge_and_later_frames(walk, tmp_path):
    def ids(sightings):
        return [
            one.id for one in sorted(objects(sightings, Tracks.of(sightings))[1], key=lambda one: one.low)
        ]

    first = ids(Sightings(walk.frames[:1]))
    assert len(set(first)) == 2
    assert ids(walk) == first
    assert ids(read_sightings(tmp_path, walk.write(tmp_path))) == first
    assert ids(joined([("a", walk), ("b", seen((0.3, 0.9)))])) == first


def test_an_object_of_no_track_has_an_id_all_the_same(walk):
    tracks = Tracks.of(walk)
    assert tracks.oldest(pack(torch.tensor([[900, 900, 900]])).numpy()) is None


def test_segments_are_kept_and_damage_is_found(walk):
    one = walk.frames[0]
    assert set(one.segments().tolist()) == {1, 2}
    with pytest.raises(ValueError, match="not the objects"):
        one._replace(packed_segments=one.packed_segments[:8]).segments()
    with pytest.raises(CheckpointError, match="The map is damaged"):
        Tracks.of(Sightings([one._replace(packed_segments=b"no zlib")]))


def test_a_voxel_has_the_object_of_most_points_and_parts_that_lie_apart_are_two():
    keys = np.sort(pack(torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]])).numpy())
    voxel = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    numbers = np.array([7, 7, 0, 7, 0, 0, 0, 7])
    assert voxel_segments(keys, voxel, numbers).tolist() == [1, 0, 0, 2]
