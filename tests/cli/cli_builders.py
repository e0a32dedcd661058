"""What the tests of the command line share: photos of plain colours, and a way to call a verb."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from radseg.cli.app import app
from radseg.io.video import video_writer
from radseg.types import Size

RED, BLUE = (220, 30, 30), (30, 60, 220)
Command = Callable[..., Result]


def paint(path: Path, *, red_columns: int = 48) -> Path:
    """Write an image of 96×64, red on the left and blue on the right."""
    image = Image.new("RGB", (96, 64), BLUE)
    image.paste(RED, (0, 0, red_columns, 64))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def events(result: Result) -> list[dict[str, Any]]:
    """Return the JSON lines of standard output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an empty cache, offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("RADSEG_DEBUG", raising=False)


@pytest.fixture
def radseg() -> Command:
    """Call `radseg` with these arguments in this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def toy(radseg: Command) -> Command:
    """Call `radseg segment -m toy` with these arguments."""
    return lambda *arguments: radseg("segment", "-m", "toy", *arguments)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """One photo, half red, half blue."""
    return paint(tmp_path / "photo.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos, one of them deeper, and a text."""
    for name in ("a.jpg", "b.png", "deep/a.jpg"):
        paint(tmp_path / "photos" / name)
    (tmp_path / "photos/notes.md").touch()
    return tmp_path / "photos"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Three photos with labels: 1 is red and 2 is blue, also asked for by wrong colours; 9 is not judged."""
    for i in range(3):
        paint(tmp_path / f"set/images/{i}.png", red_columns=40)
        labels = Image.new("L", (96, 64), 2)
        labels.paste(1, (0, 0, 40, 64))
        labels.paste(9, (0, 0, 96, 8))
        (tmp_path / "set/annotations").mkdir(exist_ok=True)
        labels.save(tmp_path / f"set/annotations/{i}.png")
    (tmp_path / "names.txt").write_text("cyan, red\norange, blue\n")
    return tmp_path / "set"


def folder_options(labelled: Path) -> tuple[str | Path, ...]:
    """Return what `eval`, `ablate` and `sheet` need to know about `labelled`."""
    return "--data", labelled, "--classes", "names.txt", "--ignore", "9", "--first-label", "1"


def write_film(path: Path) -> Path:
    """Write six frames of 64×96, red on the left and blue on the right; the border moves."""
    with path.open("wb") as stream, video_writer(stream, Size(64, 96), 10) as append:
        for index in range(6):
            pixels = np.full((64, 96, 3), BLUE, np.uint8)
            pixels[:, : 32 + 6 * index] = RED
            append(pixels)
    return path
