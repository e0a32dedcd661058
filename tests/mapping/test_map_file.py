"""The map folder: hostile or damaged ones are refused with a reason; sound ones merge exactly."""

import hashlib
import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from mapping.map_builders import description, grown
from radseg.errors import CheckpointError, InputError, MissingFileError
from radseg.mapping.manifest import MANIFEST, TILES, MapManifest, _sha256, read_manifest, write_manifest
from radseg.mapping.merge import merge_maps
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.runs.map_facts import verify_map


def store(folder: Path, indices, **changes) -> Path:
    """Write the map of these frames of the walk."""
    into = grown(indices, into=VoxelMap(description(**changes), folder=folder), **changes)
    write_manifest(folder, MapManifest(into.description, into.flush(), {"frames": {"used": len(indices)}}))
    return folder


@pytest.fixture
def folder(tmp_path):
    return store(tmp_path / "map", range(2))


def tamper(folder: Path, change, *, sealed: bool = True) -> None:
    """Change the manifest's content; `sealed` makes its sums and checksum fit again, as an attacker would."""
    content = json.loads((folder / MANIFEST).read_text())
    change(content)
    if sealed:
        if "description" in content and content["voxels"] != 3:
            content["voxels"] = sum(rows for entry in content["files"] for _, rows in entry["tiles"])
            content["digest"] = _sha256([content["description"], content["files"]])
        content.pop("checksum")
        content["checksum"] = _sha256(content)
    (folder / MANIFEST).write_text(json.dumps(content))


def move(entry, x: int) -> None:
    """Let a tile of the manifest lie elsewhere, with the file name that belongs to the place."""
    entry.update(
        tiles=[[[x, 0, 0], entry["tiles"][0][1]]], file=f"tile_{x}_0_0_{entry['sha256'][:16]}.safetensors"
    )


def read_all(folder: Path) -> None:
    for _ in SemanticMap.open(folder).chunks():
        pass


def tile(folder: Path) -> Path:
    return sorted((folder / TILES).iterdir())[0]


@pytest.mark.parametrize("name", ["../../outside.safetensors", "/etc/passwd", "tile_0_0_0_x.safetensors", ""])
def test_a_manifest_that_names_other_files_is_refused(folder, name):
    tamper(folder, lambda content: content["files"][0].update(file=name))
    with pytest.raises(CheckpointError, match="not the file name of tile"):
        SemanticMap.open(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["description"].update(voxel_size=-1),
        lambda content: content["description"].update(voxel_size=float("nan")),
        lambda content: content["description"].update(surprise=1),
        lambda content: content["description"].update(voxel_size=10**400),
        lambda content: content["description"].update(channels=5.0),
        lambda content: content["description"].update(frame=["world"]),
        lambda content: content["description"].update(encoder={"preset": {}, "checkpoint": ["a"]}),
        lambda content: content["description"].update(encoder={"preset": "toy", "options": 5}),
        lambda content: content["files"][0].update(tiles=[[[0, 0, 0], 10**12]]),
        lambda content: content["files"][0].update(tiles=[[[0, 0, 0], 1.5]]),
        lambda content: content["files"].append(content["files"][0]),
        lambda content: move(content["files"][-1], 99_999),
        lambda content: content["files"][0].update(tiles=[]),
        lambda content: content["files"][0]["tiles"].append(content["files"][0]["tiles"][0]),
        lambda content: content["files"].reverse(),
        lambda content: content.pop("description"),
        lambda content: content.update(voxels=3),
        lambda content: content.update(tile_side=8),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(folder, change):
    tamper(folder, change)
    with pytest.raises(CheckpointError, match="damaged or was changed"):
        SemanticMap.open(folder)


def test_foreign_text_in_a_message_is_cut(folder):
    tamper(folder, lambda content: content["files"][0].update(file="x" * 10_000))
    with pytest.raises(CheckpointError, match="xxx") as error:
        SemanticMap.open(folder)
    assert len(str(error.value)) < 600


def test_tiles_of_other_channels_than_the_manifest_says_are_not_read(folder):
    tamper(folder, lambda content: content["description"].update(channels=10**9))
    with pytest.raises(CheckpointError, match="instead of F32"):
        read_all(folder)


def test_a_changed_number_breaks_the_seal(folder):
    tamper(folder, lambda content: content["description"].update(voxel_size=0.2), sealed=False)
    with pytest.raises(CheckpointError, match="checksum does not fit"):
        SemanticMap.open(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "null"])
def test_a_manifest_that_is_no_table_is_refused(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(CheckpointError, match="damaged or was changed"):
        SemanticMap.open(folder)


@pytest.mark.parametrize("form", ["radseg-map/1", "radseg-map/3"])
def test_another_format_is_named_with_the_way_out(folder, form):
    tamper(folder, lambda content: content.update(format=form))
    with pytest.raises(InputError, match=f"of format '{form}'.*Build the map again: radseg map build"):
        SemanticMap.open(folder)


def test_a_folder_without_a_map_says_how_to_make_one(tmp_path):
    with pytest.raises(MissingFileError, match="radseg map build"):
        SemanticMap.open(tmp_path)


@pytest.mark.parametrize(
    "build",
    [
        [],
        {"frames": []},
        {"frames": {"camera_up": ["a", 0, 1]}},
        {"frames": {"camera_up": [float("inf"), 0, 0]}},
        {"frames": {"camera_up": [0, 1]}},
        {"frames": {"skipped": 3}},
        {"frames": {"skipped": [["0", 1]]}},
        {"frames": {"done": "3"}},
        {"parameters": [1]},
        {"recording": "hall"},
        {"identity": "../.."},
        {"identity": 5},
        {"merged": ["a"]},
        {"merged": 5},
    ],
)
def test_forged_notes_of_the_build_are_refused(folder, build):
    tamper(folder, lambda content: content.update(build=build))
    with pytest.raises(CheckpointError, match="damaged or was changed"):
        SemanticMap.open(folder)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace_by_link(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip_a_bit, "SHA-256"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "bytes instead of"),
        (Path.unlink, "missing"),
        (replace_by_link, "not an ordinary file"),
    ],
)
def test_a_damaged_tile_is_not_read(folder, damage, reason):
    damage(tile(folder))
    with pytest.raises(CheckpointError, match=reason):
        read_all(folder)


def other_tile(folder: Path) -> None:
    """Name a tile's true file for another place, hash and all."""

    def change(content):
        entry = content["files"][0]
        name = entry["file"].split("_")
        moved = "_".join(["tile", "9", "9", "9", name[-1]])
        (folder / TILES / entry["file"]).rename(folder / TILES / moved)
        tiles = [[[9, 9, 9], rows] for _, rows in entry["tiles"]]
        content["files"] = [*content["files"][1:], {**entry, "file": moved, "tiles": tiles}]

    tamper(folder, change)


def test_a_tile_in_another_place_is_not_read(folder):
    other_tile(folder)
    with pytest.raises(CheckpointError, match="belong to another tile"):
        read_all(folder)


def forge(folder: Path, data: bytes) -> None:
    """Make this the content of the map's first tile, with sums and checksums that fit."""

    def change(content):
        entry = content["files"][0]
        (folder / TILES / entry["file"]).unlink()
        digest = hashlib.sha256(data).hexdigest()
        name = "_".join(entry["file"].split("_")[:4]) + f"_{digest[:16]}.safetensors"
        (folder / TILES / name).write_bytes(data)
        entry.update(file=name, sha256=digest, bytes=len(data))

    tamper(folder, change)


@pytest.mark.parametrize("shape", [[2**40, 3], [2**62, 2**62], [-1, 3], [0, 3]])
def test_a_tile_whose_header_promises_what_is_not_there_is_not_read(folder, shape):
    header = json.dumps({"indices": {"dtype": "I32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    forge(folder, struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match="damaged or was changed"):
        read_all(folder)


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("values", float("nan"), "its values are not finite"),
        ("values", float("-inf"), "its values are not finite"),
        ("colours", float("nan"), "its colours are not finite"),
        ("colours", -0.5, "its colours go from -0.5"),
        ("colours", 200.0, "to 200, not from 0 to 1"),
        ("counts", 0, "a voxel has 0 pixels"),
        ("counts", -5, "a voxel has -5 pixels"),
        ("counts", 2**62, "a voxel has 4611686018427387904 pixels"),
    ],
)
def test_numbers_that_no_builder_writes_are_not_read_whatever_their_hashes(folder, name, number, reason):
    tensors = load(tile(folder).read_bytes())
    tensors[name].flatten()[-1] = number
    forge(folder, save(tensors))
    with pytest.raises(CheckpointError, match=f"tile_.*safetensors is damaged or was changed: .*{reason}"):
        read_all(folder)
    assert [reason in fault for _, fault in verify_map(folder) if fault] == [True]
    with pytest.raises(CheckpointError, match=reason):
        merge_maps([folder, store(folder.parent / "other", [7])], folder.parent / "merged")


def test_probabilities_below_zero_are_not_read(tmp_path):
    names = ("a", "b", "c", "d", "e")
    with pytest.raises(CheckpointError, match="its values go from -"):  # of `grid_lift`
        read_all(store(tmp_path / "map", [0], space="probabilities", names=names))


@pytest.mark.parametrize("name", [MANIFEST, TILES])
def test_a_link_in_a_map_is_not_followed(folder, name):
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(CheckpointError, match=f"{name} is damaged or was changed: it is a link"):
        read_all(folder)


def test_a_pipe_in_place_of_the_manifest_is_not_waited_for(folder):
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(CheckpointError, match="not an ordinary file"):
        SemanticMap.open(folder)


def assert_near(one, other):
    for mine, theirs in zip(one.whole(), other.whole(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-6)


@settings(max_examples=8)
@given(split=st.integers(1, 5))
def test_maps_of_two_parts_merge_to_the_map_of_all(tmp_path_factory, split):
    root = tmp_path_factory.mktemp("split")
    parts = [store(root / "a", range(split)), store(root / "b", range(split, 6))]
    merged = merge_maps(parts, root / "merged", budget=1)
    assert merged.build["frames"]["used"] == 6
    assert_near(SemanticMap.open(root / "merged"), grown(range(6)).to_semantic_map())


def test_merging_is_associative(tmp_path):
    a, b, c = (store(tmp_path / name, [index, index + 3]) for index, name in enumerate("abc"))
    merge_maps([a, b], tmp_path / "ab")
    merge_maps([tmp_path / "ab", c], tmp_path / "ab-c")
    merge_maps([b, c], tmp_path / "bc")
    merge_maps([a, tmp_path / "bc"], tmp_path / "a-bc")
    merge_maps([c, a, b], tmp_path / "cab")
    left, right, other = (SemanticMap.open(tmp_path / name) for name in ("ab-c", "a-bc", "cab"))
    assert torch.equal(left.whole().weights, right.whole().weights)
    assert_near(left, right)
    assert_near(left, other)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"voxel_size": 0.2}, "voxel_size is 0.2, not 0.1"),
        ({"space": "other"}, "space is 'other'"),
        ({"encoder": {"sha256": "abc"}}, "encoder.sha256 is 'abc', not absent"),
        ({"encoder": {"options": {"language": None}}}, r"encoder.options.language is None, not absent\.$"),
        ({"space": "other", "encoder": {"crop": 5}}, r"fit: space is 'other', not 'toy'\.$"),
        ({"frame": "garden"}, "frame is 'garden'"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
    ],
)
def test_maps_that_do_not_fit_are_not_merged(tmp_path, changes, named):
    one, other = store(tmp_path / "one", range(2)), store(tmp_path / "other", range(2, 4), **changes)
    with pytest.raises(InputError, match=named):
        merge_maps([one, other], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_map_is_not_merged_with_itself(tmp_path):
    one, copy = store(tmp_path / "one", range(2)), store(tmp_path / "copy", range(2))
    with pytest.raises(InputError, match="count twice"):
        merge_maps([one, copy], tmp_path / "merged")
    with pytest.raises(InputError, match="another output"):
        merge_maps([one, copy], one)
    with pytest.raises(InputError, match="at least two"):
        merge_maps([one], tmp_path / "merged")


def test_a_merged_map_is_not_merged_with_what_is_in_it(tmp_path):
    a, b, c = (store(tmp_path / name, [index]) for index, name in enumerate("abc"))
    ab, bc, abc = (tmp_path / name for name in ("ab", "bc", "abc"))
    merge_maps([a, b], ab)
    merge_maps([b, c], bc)
    merge_maps([ab, c], abc)
    identity = read_manifest(b).identity[:16]
    for sources in ([ab, b], [b, ab], [c, ab, b]):
        with pytest.raises(InputError, match=f"{ab} was merged from {b} .{identity}…. already; its pixels"):
            merge_maps(sources, tmp_path / "twice")
    with pytest.raises(InputError, match=f"{abc} was merged from {a} "):
        merge_maps([a, abc], tmp_path / "twice")
    with pytest.raises(InputError, match=f"{abc} was merged from {ab} "):
        merge_maps([abc, ab], tmp_path / "twice")
    with pytest.raises(InputError, match=f"{ab} and {bc} were both merged from the same map .{identity}"):
        merge_maps([ab, bc], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_that_frames_agree_is_said_by_name_recording_or_person(tmp_path):
    def noted(name, index, **parameters):
        folder = store(tmp_path / name, [index], frame="world")
        write_manifest(folder, replace(read_manifest(folder), build={"recording": parameters}))
        return folder

    one, same = (noted(name, i, sequence="hall", poses=None) for i, name in enumerate(("one", "same")))
    others = [
        store(tmp_path / "unknown", [2], frame="world"),
        noted("kitchen", 3, sequence="kitchen", poses=None),
        noted("turned", 4, sequence="hall", poses="world-to-camera"),
    ]
    merge_maps([one, same], tmp_path / "hall")
    for other in others:
        for sources in ([one, other], [tmp_path / "hall", other], [other, other.parent / "same"]):
            with pytest.raises(InputError, match="all are in 'world', .* say so: --same-frame"):
                merge_maps(sources, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    merge_maps([tmp_path / "hall", noted("again", 5, sequence="hall", poses=None)], tmp_path / "more")
    merge_maps([one, *others], tmp_path / "merged", same_frame=True)
    assert read_manifest(tmp_path / "merged").recording is None


def test_the_manifest_says_what_the_map_means(folder):
    content = json.loads((folder / MANIFEST).read_text())
    assert content["format"] == "radseg-map/2"
    assert "round-half-to-even" in content["rule"]
    assert (
        content["voxels"]
        == sum(rows for entry in content["files"] for _, rows in entry["tiles"])
        == len(SemanticMap.open(folder))
    )
    assert read_manifest(folder).description == description()
