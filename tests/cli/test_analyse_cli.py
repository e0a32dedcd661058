import json
from pathlib import Path

import pytest
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
def test_a_model_that_is_no_radio_is_refused_before_it_is_fetched(radseg, model):
    done = radseg("analyse", "alignment", "--rooms", "1", "-m", model)
    assert done.exit_code == 2
    assert f"{model} is no RADIO" in done.stderr


def test_sam_is_not_fetched_where_nothing_is_refined(radseg, monkeypatch):
    wanted = []
    monkeypatch.setattr("radseg.presets.parts.resolve", lambda name, *_: wanted.append(name) or Path("no"))
    done = radseg("analyse", "alignment", "--rooms", "1", "-m", "radseg-b+")
    assert done.exit_code != 0  # nothing was fetched
    assert wanted == ["c-radio_v3-b"]
