"""Texts and pictures of reports, each written whole or not at all, their folder made if need be."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image

from radseg.errors import EnvironmentFailure
from radseg.io import write_atomically


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text.

    Raises:
        EnvironmentFailure: the folder or the file cannot be written.
    """
    _make_folder(path.parent)
    data = text.encode("utf-8", "backslashreplace")  # a file name may hold bytes that are no text

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomically(path, write)


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG.

    Raises:
        EnvironmentFailure: the folder or the file cannot be written.
    """
    _make_folder(path.parent)
    write_atomically(path, lambda stream: picture.save(stream, format="PNG"))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
