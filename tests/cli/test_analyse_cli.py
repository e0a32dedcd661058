import json
from pathlib import Path

import numpy as np
import pytest
from parity.small_models import load_small
from PIL import Image


def test_the_command_measures_rooms_and_lists_bad_files(radseg, tmp_path):
    done = radseg(
        "analyse", "alignment", "--rooms", "2", "-m", "miniature", "-o", tmp_path / "a", "--maps", 1
    )
    assert done.exit_code == 0, done.output
    assert "over 2 images, window 160" in done.stdout
    assert [p.name for p in (tmp_path / "a/maps").iterdir()] == ["0001-room-000.png"]
    Path("broken.png").write_bytes(b"no image")
    Image.new("RGB", (200, 200), "red").save("good.png")
    done = radseg("analyse", "alignment", "good.png", "broken.png", "-m", "miniature", "--log-format", "json")
    assert done.exit_code == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in events] == ["image", "done"]
    assert events[-1]["failed"] == 1
    assert "broken.png" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("x.png", "--rooms", "2")])
def test_images_or_rooms_not_both(radseg, arguments):
    done = radseg("analyse", "alignment", *arguments)
    assert done.exit_code == 2
    assert "one of both" in done.output


@pytest.mark.parametrize("model", ["naclip-b", "corrclip-radio-b", "toy"])
def test_a_model_that_is_no_radio_is_refused_before_it_is_fetched(radseg, photo, model):
    done = radseg("analyse", "similarity", photo, "--at", "1,1", "-m", model)
    assert done.exit_code == 2
    assert f"{model} is no RADIO" in done.stderr


def test_alignment_of_what_has_no_cls_token_is_refused(radseg):
    done = radseg("analyse", "alignment", "--rooms", "1", "-m", "toy")
    assert done.exit_code == 2
    assert "toy is no RADIO, CLIP or DINOv2" in done.stderr


@pytest.mark.parametrize(
    ("model", "window"), [("naclip-b", 224), ("naclip-b-paper", 224), ("talk2dino-b", 448)]
)
def test_alignment_of_clip_and_dinov2_is_measured(radseg, tmp_path, monkeypatch, model, window):
    small = load_small(model)
    monkeypatch.setattr("radseg.presets.load.fetch_and_load", lambda *_, **__: small)
    done = radseg("analyse", "alignment", "--rooms", "1", "-m", model, "-o", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert f"over 1 image, window {window}" in done.stdout


def test_sam_is_not_fetched_where_nothing_is_refined(radseg, monkeypatch):
    wanted = []
    monkeypatch.setattr("radseg.presets.parts.resolve", lambda name, *_: wanted.append(name) or Path("no"))
    done = radseg("analyse", "alignment", "--rooms", "1", "-m", "radseg-b+")
    assert done.exit_code != 0  # nothing was fetched
    assert wanted == ["c-radio_v3-b"]


def test_similarity_writes_a_figure_and_its_numbers(radseg, photo, tmp_path):
    done = radseg("analyse", "similarity", photo, "--at", "10, 5", "-m", "miniature", "-o", tmp_path / "s")
    assert done.exit_code == 0, done.output
    maps = np.load(tmp_path / "s/similarity.npz")
    assert {"query-key attention", "surface tokens", "sam tokens", "last block (6)"} <= set(maps.files)
    assert Image.open(tmp_path / "s/similarity.png").width == 3 * (480 + 12) + 12


@pytest.mark.parametrize(
    ("at", "message"), [("5", "is no pixel; write its column and row"), ("9000,1", "outside the image")]
)
def test_a_point_that_is_none_or_outside_is_named(radseg, photo, at, message):
    done = radseg("analyse", "similarity", photo, "--at", at, "-m", "miniature")
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
