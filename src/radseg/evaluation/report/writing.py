"""Texts and figures of reports, each written whole or not at all, their folder made if need be."""

from pathlib import Path

from PIL import Image

from radseg.files import make_folder, write_bytes
from radseg.io import image_bytes


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text.

    Raises:
        ResourceError: the folder or the file cannot be written.
    """
    make_folder(path.parent)
    # a file name may hold bytes that are no text
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_image(path: Path, image: Image.Image) -> None:
    """Write a PNG.

    Raises:
        ResourceError: the folder or the file cannot be written.
    """
    make_folder(path.parent)
    write_bytes(path, image_bytes(image))
