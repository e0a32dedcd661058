"""What files say of the disk they were written on."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image


def contents(file: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and those of what is packed inside: members of archives, texts of images."""
    data = file.read_bytes()
    yield data
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            yield from (packed.read(name) for name in packed.namelist())
    if file.suffix in (".png", ".jpg"):
        with Image.open(io.BytesIO(data)) as image:
            yield repr(image.info).encode()


def named(folder: Path, path: Path) -> int:
    """Return how often the files of a folder name a path."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files, f"{folder} is empty"
    return sum(part.count(str(path).encode()) for file in files for part in contents(file))
