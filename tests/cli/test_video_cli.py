"""`radseg video` with the toy model."""

import json
from pathlib import Path

import pytest
from cli_builders import Command, write_film

from radseg.io import read_label_map
from radseg.io.video import frames

pytest.importorskip("av")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Red on the left and blue on the right; the border moves."""
    return write_film(tmp_path / "film.mp4")


def test_each_frame_gets_a_mask_and_all_of_them_one_video(radseg: Command, film: Path) -> None:
    result = radseg("video", film, "-m", "toy", "-p", "red, blue", "-o", "out", "--every", "2")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("out/masks").iterdir()) == [
        "000000.png",
        "000002.png",
        "000004.png",
    ]
    for index in (0, 2, 4):
        labels = read_label_map(f"out/masks/{index:06}.png")
        assert abs((labels == 1).mean() - (32 + 6 * index) / 96) < 0.06
    lines = [json.loads(line) for line in Path("out/frames.jsonl").read_text().splitlines()]
    assert [(one["frame"], one["seconds"]) for one in lines] == [(0, 0.0), (2, 0.2), (4, 0.4)]
    overlay = list(frames(Path("out/overlay.mp4")))
    assert len(overlay) == 3
    assert overlay[0].rate == pytest.approx(5, abs=0.1)
    assert overlay[0].pixels.shape == (64, 96, 3)
    names = [one["name"] for one in json.loads(Path("out/classes.json").read_text())["classes"]]
    assert names == ["red", "blue"]


def test_smoothing_lets_a_mask_follow_later(radseg: Command, film: Path) -> None:
    shares = {}
    for smoothing in ("0", "0.9"):
        radseg("video", film, "-m", "toy", "-p", "red, blue", "-o", smoothing, "--smoothing", smoothing)
        shares[smoothing] = (read_label_map(f"{smoothing}/masks/000005.png") == 1).mean()
    assert shares["0.9"] < shares["0"] - 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--every", "0"), "--every is 0"),
        (("--smoothing", "1"), "--smoothing is 1"),
        (("-o", "."), "is not empty"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    radseg: Command, film: Path, options: tuple[str, ...], message: str
) -> None:
    result = radseg("video", film, "-m", "toy", "-p", "red, blue", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("radseg-video").exists()


def test_a_photo_is_no_video(radseg: Command, photo: Path) -> None:
    result = radseg("video", photo, "-m", "toy", "-p", "red")
    assert result.exit_code == 1
    assert "is no video that is read" in result.stderr
