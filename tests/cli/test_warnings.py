"""Warnings on the command line: ours in one line, those of libraries without paths, those of Pillow not."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from cli_builders import Command, paint
from PIL import Image

from radseg.cli.failures import warnings_in_one_line
from radseg.errors import NoteWarning


def broken_tiff(path: Path, compression: str) -> Path:
    """Write a TIFF whose compressed data is damaged."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96), np.uint8)
    image = Image.fromarray(pixels).convert("1" if compression == "group4" else "RGB")
    image.save(path, compression=compression)
    content = bytearray(path.read_bytes())
    for place in range(200, 400, 3):
        content[place] ^= 0xA5
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compression", ["group4", "lzma", "tiff_lzw"])
def test_libtiff_says_nothing_of_its_own(
    toy: Command, tmp_path: Path, compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    toy(broken_tiff(tmp_path / "a.tif", compression), "-p", "red", "-q")
    assert capfd.readouterr().err == ""


def test_libtiff_says_nothing_of_a_label_map(
    radseg: Command, labelled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    label = labelled / "annotations/0.png"
    broken_tiff(label.with_suffix(".tif"), "lzma")
    label.unlink()
    radseg("eval", "folder", "--check", "--data", labelled, "--classes", "names.txt")
    assert capfd.readouterr().err == ""


def test_what_pillow_warns_of_is_not_printed(
    toy: Command, photo: Path, recwarn: pytest.WarningsRecorder
) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x01\0\x01\0\0\0\0\0"  # two orientations
    Image.open(photo).save("two.jpg", exif=exif)
    result = toy("two.jpg", "-p", "red")
    assert (result.exit_code, "Warning" in result.output, len(recwarn)) == (0, False, 0)


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_what_we_warn_of_is_one_line_once(
    toy: Command, tmp_path: Path, quiet: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        paint(tmp_path / "dark" / f"{name}.png")
        Image.fromarray(np.full((64, 96), 1000, np.uint16)).save(tmp_path / "dark" / f"{name}.png")
    monkeypatch.setattr(sys, "argv", ["radseg", *quiet])
    result = toy(tmp_path / "dark", "-p", "red", *quiet)
    assert result.stderr.count("Warning: A 16-bit image is nearly black") == 1
    assert ".py" not in result.stderr


@pytest.mark.parametrize(("options", "printed"), [([], "Warning: cache full\n"), (["-q"], "")])
def test_what_changes_no_result_is_left_out_with_quiet(
    options: list[str], printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["radseg", *options])
    with warnings_in_one_line():
        warnings.warn("cache\nfull", NoteWarning, stacklevel=1)
    assert capsys.readouterr().err == printed
