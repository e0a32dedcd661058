"""Promises of SECURITY.md that no other test holds: no network, no telemetry, nothing outside the folder."""

import ast
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import radseg
from builders import tiny_radio
from query_builders import description, sums
from radseg.cli.app import app
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.voxel_map import VoxelMap
from radseg.text.pack import VocabularyPack, save_pack
from radseg.types import TextEmbeddings
from radseg.weights import hub


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_local_weights_and_a_pack_need_no_network(no_network, tmp_path):
    radio = tiny_radio()
    metadata = {"format": "radseg-radio/1", "config": radio.config.to_json()}
    save_file(radio.state_dict(), tmp_path / "tiny.safetensors", metadata)
    values = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)

    text = TextEmbeddings(("a", "b", "c"), torch.from_numpy(values), (0, 1, 2), radio.space)
    save_pack(tmp_path / "words.safetensors", VocabularyPack(text, None, "none"))
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "photo.png")
    arguments = ["segment", "photo.png", "-m", "tiny.safetensors", "--vocabulary", "words.safetensors"]
    arguments = [str(tmp_path / a) if "." in a else a for a in arguments]
    done = CliRunner().invoke(app, [*arguments, "--mode", "assign", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "masks" / "photo.png").is_file()


def test_the_hub_client_is_told_not_to_tell():
    assert sys.modules["huggingface_hub"].constants.HF_HUB_DISABLE_TELEMETRY
    assert hub.is_offline()  # as tests/conftest.py asks for


@pytest.fixture
def toy_map(tmp_path):
    encoder = {"preset": "toy", "options": {"short_side": None}}
    voxels = VoxelMap(description(encoder=encoder), folder=tmp_path / "map")
    voxels.add(sums())
    write_manifest(tmp_path / "map", MapManifest(voxels.description, voxels.flush()))
    return tmp_path / "map"


def test_a_map_is_asked_checked_and_drawn_without_a_network(no_network, toy_map, tmp_path):
    small = ["--width", "64", "--height", "64"]
    for arguments in (
        ["query", toy_map, "red", "-o", tmp_path / "answer"],
        ["map", "verify", toy_map],
        ["map", "render", toy_map, "-o", tmp_path / "drawn", *small],
    ):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output


def test_a_map_is_asked_without_reading_or_writing_features_in_its_folder(toy_map, tmp_path):
    """A map may come from anywhere: its `aligned`, a link or not, is nobody's word for its features."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.npy").write_bytes(b"mine")
    (toy_map / "aligned").symlink_to(elsewhere)
    before = {path: path.stat() for path in toy_map.rglob("*")}
    done = CliRunner().invoke(app, ["query", str(toy_map), "red"])
    assert done.exit_code == 0, done.output
    assert {path: path.stat() for path in toy_map.rglob("*")}.keys() == before.keys()
    assert [path.name for path in elsewhere.iterdir()] == ["mine.npy"]


def test_no_module_needs_an_extra_to_be_imported():
    code = (
        "import importlib, pkgutil, sys, radseg\n"
        "extras = 'viser msgspec websockets rerun trimesh matplotlib cv2'.split()\n"
        "sys.modules.update(dict.fromkeys(extras))\n"
        "for found in pkgutil.walk_packages(radseg.__path__, 'radseg.'):\n"
        "    if not found.name.endswith('__main__'): importlib.import_module(found.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_unpickled_without_limits():
    calls = [
        (path.name, ast.unparse(node))
        for path in sorted(Path(radseg.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    loads = [call for _, call in calls if call.startswith("torch.load(")]
    assert loads
    assert all("weights_only=True" in call for call in loads)
    assert not [name for name, call in calls if "allow_pickle=True" in call]
