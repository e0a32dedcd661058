"""What the tags of a TIFF say about its values: bits per sample, where white is, and what further bands are.

Pillow picks a mode by them and does not always keep what they mean.
"""

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image, _imaging
from PIL.TiffImagePlugin import ImageFileDirectory_v2

BITS, PHOTOMETRIC, SAMPLES, EXTRA = 258, 262, 277, 338
WHITE_IS_ZERO = 0
_ALPHA = (1, 2)  # associated, that is multiplied in, and unassociated

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Of TIFF in either byte order, and of BigTIFF."""
_PHOTOMETRIC = {0: "WhiteIsZero", 1: "BlackIsZero", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}


def tag(image: Image.Image, number: int) -> tuple[Any, ...]:
    """Return the values of a tag; () where it is absent or the image is no TIFF."""
    if image.format != "TIFF":
        return ()
    value = image.tag_v2.get(number, ())  # type: ignore[attr-defined]
    return value if isinstance(value, tuple) else (value,)


@contextmanager
def unheard() -> Iterator[None]:
    """Keep libtiff from writing to standard error; that it failed, Pillow's exception says.

    Pillow does so with libtiff's warnings, not with its errors. Where its libtiff cannot be reached (Windows)
    nothing happens.
    """
    try:
        handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):
        yield
        return
    handler.restype, handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = handler(None)
    try:
        yield
    finally:
        handler(before)


def declares_alpha(image: Image.Image) -> bool:
    """Whether a TIFF says that a further band is transparency: without that it may be near infrared."""
    return any(value in _ALPHA for value in tag(image, EXTRA))


def kind_of(stream: BinaryIO) -> str | None:
    """Return what a TIFF that Pillow does not open says it holds; None for what is none, or damaged."""
    stream.seek(0)
    if not stream.read(4).startswith(_SIGNATURES):
        return None
    try:
        stream.seek(0)
        directory = ImageFileDirectory_v2(stream.read(8))
        stream.seek(directory.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is cut short; the caller says that it is damaged
            directory.load(stream)
        bits, bands = directory[BITS], int(directory.get(SAMPLES, 1))
        photometric = int(directory[PHOTOMETRIC])
        depth = "/".join(str(one) for one in dict.fromkeys(bits))
    except Exception:  # a damaged header breaks its reader in any way; its numbers may be of any type
        return None
    meaning = _PHOTOMETRIC.get(photometric, f"photometric {photometric}")
    return f"{bands} band{'s' if bands > 1 else ''} of {depth} bits, {meaning}"
