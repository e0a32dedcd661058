"""The numbers in a depth file as they stand there: PNG and PGM, TIFF, and NumPy's NPY."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image

from radseg.errors import ImageError
from radseg.files import open_regular, shown
from radseg.types import Size

Numbers = Literal["integer", "float"]
Header = tuple[Size, Numbers]

DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PGM = re.compile(rb"P5" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,6})" + _GAP + rb"(\d{1,6})\s")


def depth_header(path: Path) -> Header:
    """Return the size of a depth file and what its numbers are, without reading them.

    Raises:
        ImageError: not one channel of floats or of integers with 16 bits and more.
        InputError, OSError: as `open_regular`.
        Exception: whatever Pillow or NumPy raise for a damaged file.
    """
    with open_regular(path) as stream:
        return _HEADERS.get(path.suffix.lower(), _image_header)(stream, path)


def depth_numbers(path: Path) -> np.ndarray:
    """Return the numbers of a depth file, H × W, unscaled; raises as `depth_header`."""
    with open_regular(path) as stream:
        return _READERS.get(path.suffix.lower(), _image_numbers)(stream, path)


def _image_header(stream: BinaryIO, path: Path) -> Header:
    with Image.open(stream, formats=("PNG", "TIFF")) as image:
        if image.mode not in (*DEPTH_MODES, "F"):
            raise ImageError(
                f"The depth image {shown(path)} has mode {image.mode}, not one channel of 16 bits; depth as "
                "colours or in 8 bits has lost its unit. Export it again as 16-bit PNG."
            )
        return Size(image.height, image.width), "float" if image.mode == "F" else "integer"


def _image_numbers(stream: BinaryIO, path: Path) -> np.ndarray:
    with Image.open(stream, formats=("PNG", "TIFF")) as image:
        return np.array(image)


def _npy_header(stream: BinaryIO, path: Path) -> Header:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    wide = kind.kind == "f" or (kind.kind == "u" and kind.itemsize > 1)
    if len(shape) != 2 or not wide:
        raise ImageError(
            f"The depth file {shown(path)} holds {kind} of shape {shape}; it must be H × W of floats in "
            "metres or of unsigned integers with 16 bits or more."
        )
    if os.fstat(stream.fileno()).st_size < stream.tell() + shape[0] * shape[1] * kind.itemsize:
        raise ImageError(f"The depth file {shown(path)} is damaged or cut short; copy it again.")
    return Size(*shape), "float" if kind.kind == "f" else "integer"


def _npy_numbers(stream: BinaryIO, path: Path) -> np.ndarray:
    return np.lib.format.read_array(stream, allow_pickle=False)


def _pgm_header(stream: BinaryIO, path: Path) -> Header:
    found = _PGM.match(stream.read(1024))
    if found is None or not 255 < int(found[3]) < 65536:
        raise ImageError(
            f"The depth image {shown(path)} is no binary PGM (P5) of 16 bits; depth in 8 bits has lost its "
            "unit. Export it again as 16-bit PNG."
        )
    stream.seek(found.end())
    return Size(int(found[2]), int(found[1])), "integer"


def _pgm_numbers(stream: BinaryIO, path: Path) -> np.ndarray:
    """Return the numbers as they stand: Pillow would stretch them from the header's maximum to 65535."""
    (height, width), _ = _pgm_header(stream, path)
    return np.frombuffer(stream.read(), ">u2", count=height * width).reshape(height, width).astype(np.uint16)


_HEADERS: dict[str, Callable[[BinaryIO, Path], Header]] = {".npy": _npy_header, ".pgm": _pgm_header}
_READERS: dict[str, Callable[[BinaryIO, Path], np.ndarray]] = {".npy": _npy_numbers, ".pgm": _pgm_numbers}
