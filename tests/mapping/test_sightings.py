"""What the frames of a map saw: kept exactly, checked when read, and what objects are known by."""

import hashlib
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mapping.map_builders import frame
from mapping.map_folders import Walk, build
from radseg.errors import CheckpointError
from radseg.mapping.identity import identified
from radseg.mapping.manifest import read_manifest
from radseg.mapping.merge import merge_maps
from radseg.mapping.objects import objects_of
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.sightings import Sighting, Sightings, read_sightings, sightings_path
from radseg.ops.voxels import pack
from radseg.runs.map_facts import verify_map


def seen(index, keys):
    return Sighting.of(frame(index), np.asarray(keys, np.int64))


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_keys_come_back_exactly(seed, count):
    keys = np.unique(np.random.default_rng(seed).integers(0, 1 << 63, count))
    assert np.array_equal(seen(0, keys).keys(), keys)


def test_a_file_holds_frames_cameras_and_voxels(tmp_path):
    kept = Sightings([seen(0, [3, 5, 9]), seen(1, [4])])
    read = read_sightings(tmp_path, kept.write(tmp_path))
    assert [one.frame for one in read] == ["frame-000", "frame-001"]
    assert [one.keys().tolist() for one in read] == [[3, 5, 9], [4]]
    assert read.frames[1].intrinsics == frame(1).intrinsics
    assert np.array_equal(read.frames[1].camera_to_world, frame(1).camera_to_world.numpy())
    assert len(read_sightings(tmp_path, Sightings().write(tmp_path))) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"voxels": torch.tensor([4, 1])}, ""),
        ({"voxels": torch.tensor([0, 1])}, "no voxels"),
        ({"lengths": torch.tensor([1, 1])}, "cut short"),
        ({"poses": torch.full((2, 4, 4), torch.nan, dtype=torch.float64)}, "not finite"),
        ({"cameras": torch.zeros(2, 6, dtype=torch.float64)}, "focal"),
        ({"ids": torch.tensor(list(b'["a"]'), dtype=torch.uint8)}, "not described"),
        ({"ids": torch.tensor(list(b"{"), dtype=torch.uint8)}, "damaged"),
    ],
)
def test_what_no_builder_writes_is_refused(tmp_path, change, said):
    """Hashes do not tell: a map's author makes them."""
    path = sightings_path(tmp_path, Sightings([seen(0, [3, 5, 9]), seen(1, [4])]).write(tmp_path))
    tensors = load_file(path) | change
    save_file(tensors, tmp_path / "other.safetensors")
    sha256 = hashlib.sha256((tmp_path / "other.safetensors").read_bytes()).hexdigest()
    (tmp_path / "other.safetensors").rename(sightings_path(tmp_path, sha256))
    if said:
        with pytest.raises(CheckpointError, match=said):
            read_sightings(tmp_path, sha256)
        return
    with pytest.raises(ValueError, match="not the voxels that it says"):
        read_sightings(tmp_path, sha256).frames[0].keys()


def test_descending_keys_and_others_bytes_are_refused():
    with pytest.raises(ValueError, match="not the voxels"):
        Sighting.of(frame(0), np.array([5, 5], np.int64)).keys()
    with pytest.raises(ValueError, match="cannot be unpacked"):
        seen(0, [1])._replace(packed=b"no zlib").keys()


def test_a_build_notes_them_and_an_exchanged_file_is_found(tmp_path):
    build(tmp_path / "map", Walk())
    made = SemanticMap.open(tmp_path / "map")
    noted = made.load_sightings()
    assert len(noted) == 6
    every = np.unique(np.concatenate([one.keys() for one in noted]))
    assert np.array_equal(every, pack(made.whole().keys).numpy())
    path = sightings_path(tmp_path / "map", read_manifest(tmp_path / "map").sightings)
    assert [file.name for file in (tmp_path / "map").glob("sightings*")] == [path.name]
    assert (path.name, "") in list(verify_map(tmp_path / "map"))
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert "SHA-256" in dict(verify_map(tmp_path / "map"))[path.name]


def block(corner, side=3):
    return np.array(list(np.ndindex(side, side, side))) + corner


def found(keys, sightings):
    heat = np.ones(len(keys), np.float32)
    objects = {"box": objects_of("box", keys, heat, heat > 0, voxel_size=0.1)}
    return identified(objects, keys, sightings)["box"]


def sighting(index, keys):
    return seen(index, np.sort(pack(torch.from_numpy(keys)).numpy()))


def test_objects_have_ids_and_the_frames_that_saw_them():
    one, other = block((0, 0, 0)), block((20, 0, 0))
    sightings = Sightings(
        [sighting(0, one), sighting(1, np.concatenate([one[:9], other])), sighting(2, other)]
    )
    first, second = sorted(found(np.concatenate([one, other]), sightings), key=lambda one: one.low)
    assert first.frames == ("frame-000", "frame-001")
    assert second.frames == ("frame-001", "frame-002")
    assert re.fullmatch(r"[a-z2-7]{8}", first.id)
    assert first.id != second.id


def test_a_frame_that_saw_less_than_a_tenth_did_not_see_it():
    one = block((0, 0, 0))
    few, enough = sighting(1, one[:2]), sighting(2, one[:3])
    assert found(one, Sightings([sighting(0, one), few, enough]))[0].frames == ("frame-000", "frame-002")


def test_the_id_stays_when_frames_add_voxels_and_when_words_order_them_otherwise():
    start = block((0, 0, 0))
    grown = np.concatenate([start, block((3, 0, 0)), block((0, 3, 0))])
    begin = Sightings([sighting(0, start)])
    id_ = found(start, begin)[0].id
    later = Sightings([*begin, sighting(1, grown[9:])])
    assert found(grown, later)[0].id == id_
    assert found(grown[::-1].copy(), later)[0].id == id_
    assert found(start, None)[0].id == id_  # all of it was seen by the first frame


def test_two_names_share_the_id_of_one_place_and_two_objects_never_do():
    keys = block((0, 0, 0))
    heat = np.ones(27, np.float32)
    some = objects_of("x", keys, heat, heat > 0, voxel_size=0.1)
    known = identified({"mug": some, "cup": some, "twice": some * 2}, keys, None)
    assert known["mug"][0].id == known["cup"][0].id == known["twice"][0].id
    assert known["twice"][0].id != known["twice"][1].id


def whole_map(folder):
    """The voxels of a map as one object."""
    opened = SemanticMap.open(folder)
    keys = opened.whole().keys.numpy()
    heat = np.ones(len(keys), np.float32)
    objects = objects_of("wall", keys, heat, heat > 0, voxel_size=opened.voxel_size)[:1]
    return identified({"wall": objects}, keys, opened.load_sightings())["wall"]


def test_a_merge_keeps_ids_of_its_first_map_and_names_frames_after_their_maps(tmp_path):
    for name, skip in (("a", 1), ("b", 2)):
        build(tmp_path / name, Walk(), skip=skip)
    merged = merge_maps([tmp_path / "a", tmp_path / "b"], tmp_path / "both", same_frame=True)
    noted = read_sightings(tmp_path / "both", merged.sightings)
    own = SemanticMap.open(tmp_path / "a").load_sightings()
    assert [one.frame for one in noted][: len(own)] == [
        f"{read_manifest(tmp_path / 'a').identity[:8]}/{one.frame}" for one in own
    ]
    assert np.array_equal(noted.frames[0].keys(), own.frames[0].keys())
    alone = whole_map(tmp_path / "a")
    assert [one.id for one in whole_map(tmp_path / "both")] == [one.id for one in alone]
