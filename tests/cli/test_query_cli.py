"""radseg query and radseg map render: tables, JSON, files, and mistakes in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from query_builders import BLOCKS, SIDE, description, sums
from radseg.mapping.description import MapDescription
from radseg.mapping.manifest import MapManifest, read_manifest, write_manifest
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums, pack
from radseg.testing import COLOURS, colour_features


@pytest.fixture
def toy_map(tmp_path):
    options = {"short_side": None}
    encoder = {"preset": "toy", "options": options}
    voxels = VoxelMap(description(encoder=encoder), folder=tmp_path / "map")
    voxels.add(sums())
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    return tmp_path / "map"


def test_what_is_there_is_placed_and_what_is_not_is_not(toy_map, radseg):
    done = radseg("query", toy_map, "blue ball", "purple door")
    assert done.exit_code == 0, done.output
    blue, purple = done.stdout.splitlines()[1:3]
    assert f"{(BLOCKS['blue'][0] + (SIDE - 1) / 2) * 0.05 - 0.001:.2f} " in blue  # 1.075, less its rounding
    assert "0.20 0.20 0.20" in blue
    assert "not found" in purple
    assert "best 0." in purple


def test_of_many_objects_the_best_are_listed_and_the_others_counted(tmp_path, radseg):
    """Thirteen blue cubes of 2 × 2 × 2 voxels, two voxels apart."""
    corner = torch.cartesian_prod(*[torch.arange(2)] * 3)
    keys = pack(torch.cat([corner + torch.tensor([4 * i, 0, 0]) for i in range(13)])).sort().values
    colours = torch.tensor([COLOURS["blue"]], dtype=torch.float32).expand(len(keys), 3) / 255
    what = description(encoder={"preset": "toy", "options": {"short_side": None}})
    voxels = VoxelMap(what, folder=tmp_path / "map")
    voxels.add(VoxelSums(keys, torch.ones_like(keys), colour_features(colours), colours))
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    rows = radseg("query", tmp_path / "map", "blue").stdout.splitlines()[1:]
    assert len(rows) == 11
    assert rows[-1].split() == ["blue", "3", "more:", "--json", "24"]


def test_a_map_of_probabilities_says_that_it_leaves_no_voxel_unnamed(tmp_path, radseg):
    what = MapDescription(0.05, "probabilities", 2, "float32", names=("red", "blue"))
    voxels = VoxelMap(what, folder=tmp_path / "map")
    one = sums()
    voxels.add(VoxelSums(one.keys, one.counts, torch.rand(len(one.keys), 2), one.colours))
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    done = radseg("query", tmp_path / "map", "red", "--json")
    assert "every voxel has one of them" in done.stderr
    assert json.loads(done.stdout)["mode"] == "assign"
    assert "Note" not in radseg("query", tmp_path / "map", "red", "--mode", "independent").stderr


def test_names_may_be_separated_by_commas_as_after_p(toy_map, radseg):
    found = json.loads(radseg("query", toy_map, "red, blue ball", "green", "--json").stdout)
    assert list(found["names"]) == ["red", "blue ball", "green"]


def test_json_holds_the_same(toy_map, radseg):
    for flags in (["--json"], ["--log-format", "json"]):
        found = json.loads(radseg("query", toy_map, "red", *flags).stdout)
        object = found["names"]["red"]["objects"][0]
        assert object["voxels"] == SIDE**3
        assert object["box"]["low"] == pytest.approx([-0.025] * 3)
        assert object["oriented_box"]["size"] == pytest.approx([SIDE * 0.05] * 3)


def test_files_are_written_and_hold_the_answer(toy_map, tmp_path, radseg):
    done = radseg("query", toy_map, "red", "../blue", "-o", tmp_path / "out")
    assert done.exit_code == 2  # the toy knows no such colour
    done = radseg("query", toy_map, "red", "blue a/x", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {"query.json", "scores.npz"} <= set(names)
    assert "heat-2-blue-a-x.above.png" in names
    with np.load(tmp_path / "out/scores.npz") as stored:
        assert stored["scores"].shape == (2, 4 * SIDE**3)
        assert stored["names"].tolist() == ["red", "blue a/x"]
    assert (tmp_path / "out/objects.above.png").is_file()
    with Image.open(tmp_path / "out/classes.across.png") as image:
        assert image.width == 960


def test_an_image_of_the_object_finds_it(toy_map, tmp_path, radseg):
    Image.new("RGB", (64, 64), (30, 60, 220)).save(tmp_path / "crop.png")
    found = json.loads(radseg("query", toy_map, "--image", tmp_path / "crop.png", "--json").stdout)
    object = found["names"]["crop"]["objects"][0]
    assert object["box"]["low"][0] == pytest.approx(20 * 0.05 - 0.025)
    assert len(found["names"]["crop"]["objects"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Say what to look for"),
        (["red", "--image", "x.png"], "Say what to look for"),
        (["asphalt"], "knows colours only"),
        (["red", "--mode", "assign"], "gives it every pixel"),
        (["--image", "nowhere.png"], "no file"),
    ],
)
def test_mistakes_are_named(toy_map, radseg, words, message):
    done = radseg("query", toy_map, *words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_a_folder_without_a_map_is_named(tmp_path, radseg):
    done = radseg("query", tmp_path, "red")
    assert done.exit_code == 2
    assert "is not a map" in " ".join(done.output.split())


def test_a_map_of_colours_cannot_be_asked(tmp_path, radseg):
    voxels = VoxelMap(MapDescription(0.05), folder=tmp_path / "map")
    one = sums()
    voxels.add(VoxelSums(one.keys, one.counts, one.values[:, :0], one.colours))
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    done = radseg("query", tmp_path / "map", "red")
    assert done.exit_code == 2
    assert "holds colours only" in " ".join(done.output.split())
    drawn = radseg("map", "render", tmp_path / "map", "-o", tmp_path / "images")
    assert drawn.exit_code == 0, drawn.output
    assert len(list((tmp_path / "images").glob("colour.*.png"))) == 2


def test_a_ceiling_under_the_floor_is_refused(toy_map, tmp_path, radseg):
    done = radseg("map", "render", toy_map, "-o", tmp_path / "out", "--ceiling", "-1")
    assert (done.exit_code, "raise --ceiling" in done.stderr) == (2, True)


def test_export_writes_names_and_objects_on_request(toy_map, tmp_path, radseg):
    done = radseg("map", "export", toy_map, "-p", "red, purple", "-o", tmp_path / "map.ply")
    assert done.exit_code == 0, done.output
    assert ", 1 object → " in done.stdout
    header = (tmp_path / "map.ply").read_bytes().split(b"end_header")[0]
    assert b'comment label 2 "purple"' in header
    assert b'"name": "red"' in header
    radseg("map", "export", toy_map, "-o", tmp_path / "plain.ply")
    assert b"label" not in (tmp_path / "plain.ply").read_bytes().split(b"end_header")[0]


def test_render_draws_prompts_too(toy_map, tmp_path, radseg):
    done = radseg(
        "map", "render", toy_map, "-p", "red, blue", "-o", tmp_path / "p", "--width", 320, "--height", 240
    )
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 10
    with Image.open(tmp_path / "p/colour.above.png") as image:
        assert image.size == (320, 240)


def test_other_weights_than_the_maps_are_refused(toy_map, tmp_path, radseg):
    encoder = {"preset": "miniature", "options": {}, "sha256": "0" * 64}
    voxels = VoxelMap(description(encoder=encoder, space="backbone:miniature"), folder=tmp_path / "other")
    voxels.add(sums())
    write_manifest(tmp_path / "other", MapManifest(voxels.description, voxels.flush()))
    done = radseg("query", tmp_path / "other", "red ball")
    assert done.exit_code == 2
    assert "built with other weights" in " ".join(done.output.split())


def test_a_map_of_other_channels_than_its_model_has_is_named(tmp_path, radseg):
    voxels = VoxelMap(
        description(encoder={"preset": "toy", "options": {}}, channels=5), folder=tmp_path / "map"
    )
    one = sums()
    voxels.add(VoxelSums(one.keys, one.counts, one.values[:, :5], one.colours))
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    done = radseg("query", tmp_path / "map", "red")
    assert done.exit_code == 2
    assert "values have 5 channels, the features of the model that it names have 126" in " ".join(
        done.stderr.split()
    )


@pytest.mark.parametrize("named", ["secret.safetensors", "c-radio_v3-h"])
def test_a_file_that_only_the_map_names_is_not_read(tmp_path, radseg, monkeypatch, named):
    """Given on the command line it is read, and found to be no checkpoint."""
    (tmp_path / named).write_bytes(b"secret")
    encoder = {"preset": "radseg-b", "options": {}, "checkpoint": named, "sha256": "0" * 64}
    voxels = VoxelMap(description(encoder=encoder, space="backbone:c-radio"), folder=tmp_path / "map")
    voxels.add(sums())
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    monkeypatch.chdir(tmp_path)
    done = radseg("query", "map", "red ball")
    assert done.exit_code == 2
    assert f"Say where they are: --checkpoint {named}" in " ".join(done.stderr.split())
    given = radseg("query", "map", "red ball", "--checkpoint", named)
    assert given.exit_code != 0
    assert "only the map names" not in given.stderr


def test_images_stand_as_the_cameras_were_held(toy_map, tmp_path, radseg):
    """The colour image of a map whose tops pointed along +x is the one that --up +x draws."""
    manifest = read_manifest(toy_map)
    write_manifest(toy_map, replace(manifest, build={"frames": {"camera_up": [5.0, 1.0, 0.0]}}))
    for name, up in (("auto", ()), ("x", ("--up", "+x")), ("z", ("--up", "+z"))):
        done = radseg("map", "render", toy_map, "-o", tmp_path / name, "--width", 320, "--height", 240, *up)
        assert done.exit_code == 0, done.output
    auto, x, z = ((tmp_path / name / "colour.across.png").read_bytes() for name in ("auto", "x", "z"))
    assert auto == x
    assert auto != z
