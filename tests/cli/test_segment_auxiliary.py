"""`radseg segment --aux`: a method of two networks with both from folders of one's own."""

import json
from pathlib import Path

import pytest
import torch
from cli_builders import Command

from published_folders import any_shape, clip_folder, dino_folder
from radseg.text.pack import pack_vectors, save_pack
from radseg.text.vocabulary import Vocabulary


@pytest.fixture
def proxyclip(radseg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Call `radseg segment -m proxyclip-b` with CLIP from a folder and words from a pack."""
    any_shape(monkeypatch)
    clip = clip_folder(tmp_path / "clip")
    words = pack_vectors(Vocabulary.parse(["cat", "dog"]), torch.randn(2, 20), "clip-vit-b-16-openai")
    save_pack(tmp_path / "words.safetensors", words)
    fixed = ("-m", "proxyclip-b", "--checkpoint", clip, "--vocabulary", tmp_path / "words.safetensors")
    return lambda *arguments: radseg("segment", *fixed, *arguments)


def test_both_networks_come_from_folders(proxyclip: Command, photo: Path, tmp_path: Path) -> None:
    dino = dino_folder(tmp_path / "dino")
    more = ("--mode", "assign", "-o", "out", "--short-side", "112", "--crop", "112")
    result = proxyclip(photo, "--aux", "dino-vit-b-8=dino", *more)
    assert result.exit_code == 0, result.output
    first = json.loads(Path("out/manifest.jsonl").read_text().splitlines()[0])
    files = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(dino.iterdir())]
    assert first["parameters"]["weights of dino-vit-b-8"] == files
    again = proxyclip(photo, "--aux", f"dino-vit-b-8={dino}", *more, "--resume")
    assert again.exit_code == 0, again.output
    dino_folder(tmp_path / "dino", seed=9)  # exchanged under the same name
    exchanged = proxyclip(photo, "--aux", f"dino-vit-b-8={dino}", *more, "--resume")
    assert exchanged.exit_code == 2
    assert "weights of dino-vit-b-8" in exchanged.stderr


def test_without_the_second_it_says_where_to_put_it(proxyclip: Command, photo: Path) -> None:
    result = proxyclip(photo)
    assert result.exit_code != 0
    assert "dino-vit-b-8 is not on this machine" in result.stderr


def test_auxiliary_weights_of_another_model_are_refused_before_anything_is_fetched(
    proxyclip: Command, photo: Path, tmp_path: Path
) -> None:
    result = proxyclip(photo, "--aux", f"sam-vit-b-whole={tmp_path}")
    assert "uses no 'sam-vit-b-whole'; its auxiliary weights are: dino-vit-b-8" in result.stderr
