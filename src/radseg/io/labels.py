"""Label maps: written as PNG, read from PNG and TIFF.

Written in 8 bits with a palette up to 254 names, as 16-bit grey above (PNG has no 16-bit palette).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float, Float64, Int, Integer, UInt8, UInt16
from PIL import Image

from radseg.colours import palette
from radseg.errors import ImageError, InputError
from radseg.files import open_regular, shown
from radseg.io import tiff
from radseg.io.encode import image_bytes
from radseg.io.image import require_size
from radseg.ops.bands import row_bands

LABEL_FORMATS = ("PNG", "TIFF")
LABEL_ENDINGS = (".png", ".tif", ".tiff")
"""What labels are read from: formats that keep every number. JPEG does not."""

LabelMap = UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]
"""0 = none, names from 1; in files 255 (8-bit) or 65535 (16-bit) is ignore."""


def label_dtype(names: int) -> type[np.uint8] | type[np.uint16]:
    """Return the type that holds 0, this many names from 1, and the ignore value.

    Raises:
        InputError: more than 65,534 names.
    """
    if names > 65534:
        raise InputError(f"A label map holds at most 65,534 names, not {names:,}; split the vocabulary.")
    return np.uint8 if names <= 254 else np.uint16


def label_counts(labels: Integer[np.ndarray, "H W"], names: int) -> Int[np.ndarray, " n"]:
    """Return how many pixels have label 0, 1, … up to the number of names.

    A few rows at a time: NumPy counts in copies of 8 bytes a pixel.
    """
    counts = np.zeros(names + 1, np.int64)
    for rows in row_bands(*labels.shape):
        counts += np.bincount(labels[rows].reshape(-1), minlength=names + 1)[: names + 1]
    return counts


def label_sums(labels: LabelMap, values: Float[np.ndarray, "H W"], names: int) -> Float64[np.ndarray, " n"]:
    """Return the sum of the values of the pixels of label 0, 1, … up to the number of names."""
    every = np.arange(names + 1)
    sums = np.zeros(len(every))
    for rows in row_bands(*labels.shape):  # the sums so far come first: the same order of additions as of all
        known = np.append(every, np.minimum(labels[rows], len(every)))
        weights = np.append(sums, values[rows])
        sums = np.bincount(known, weights, minlength=len(every))[: len(every)].astype(np.float64)
    return sums


def label_png_bytes(labels: LabelMap, names: tuple[str, ...]) -> bytes:
    """Return a PNG whose pixel values are the labels: 8-bit maps show each name in its colour.

    16-bit maps are plain grey, almost black to the eye: PNG allows no palette there.

    Raises:
        InputError: the type of the labels does not fit the number of names.
    """
    wanted = np.dtype(label_dtype(len(names)))
    if labels.dtype != wanted:
        raise InputError(f"Labels of {labels.dtype} for {len(names)} names; they must be {wanted}.")
    image = Image.fromarray(np.ascontiguousarray(labels))
    if labels.dtype == np.uint8:
        image.putpalette(palette(names).tobytes())
    return image_bytes(image)


def read_label_map(path: str | Path) -> np.ndarray[Any, Any]:
    """Return the label map of a PNG or TIFF as uint8 or uint16, H×W: the numbers in the file, not colours.

    They are read by the file's own bit depth, so 1 of 4 bits is 1, and not the grey 17 that it is shown as.
    Grey with an opaque alpha is one channel too.

    Raises:
        ImageError: none of these, more than one page, numbers beyond 65535 or below 0, or damaged.
    """
    name = shown(path)
    with _opened(path, name) as image:
        if image.mode in ("P", "1", "I;16", "I;16B", "I;16L", "I;16N"):
            values = np.array(image)
            return values.astype(np.uint16 if image.mode.startswith("I") else np.uint8)
        if image.mode == "L":
            return np.array(image) // _step(path, image)
        if image.mode == "I":
            return _within_sixteen_bits(np.array(image), name)
        if image.mode == "LA" and _bits(path, image) == 8:
            values = np.array(image)
            _require_opaque(values[..., 1], name)
            return values[..., 0]
        if image.mode in ("RGB", "RGBA"):
            raise ImageError(_not_one_channel(np.array(image), image.mode, name))
        raise ImageError(f"{name} is an image of mode {image.mode}, not a label map of one channel.")


def read_label_colours(path: str | Path) -> UInt8[np.ndarray, "H W 3"]:
    """Return the colours of a label image whose classes are told apart by them: of a PNG or TIFF in 8 bits.

    Raises:
        ImageError: more than one page, transparent pixels, 16 bits, or damaged.
    """
    name = shown(path)
    with _opened(path, name) as image:
        if image.mode not in ("P", "L", "RGB", "RGBA") or _bits(path, image) > 8:
            raise ImageError(f"{name} is an image of mode {image.mode}; labels as colours are RGB in 8 bits.")
        if image.mode == "RGBA":
            _require_opaque(np.array(image)[..., 3], name)
        return np.array(image.convert("RGB"))


@contextmanager
def _opened(path: str | Path, name: str) -> Iterator[Image.Image]:
    try:
        with open_regular(path, most=None) as stream, _header(stream) as image, tiff.unheard():
            require_size(image.size, name)
            if getattr(image, "n_frames", 1) > 1:
                raise ImageError(f"{name} has {image.n_frames} pages; a label map has one.")  # type: ignore[attr-defined]
            if tiff.tag(image, tiff.PHOTOMETRIC) == (tiff.WHITE_IS_ZERO,):
                raise ImageError(
                    f"{name} is tagged WhiteIsZero, so its numbers are not what is shown; save it as PNG."
                )
            yield image
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes
        raise ImageError(f"{name} is not a label map that can be read: {error}.") from error


def _header(stream: BinaryIO) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow refuses twice this size as an error: the limit of images, see io.image.MAX_PIXELS
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(stream, formats=LABEL_FORMATS)


def _bits(path: str | Path, image: Image.Image) -> int:
    """Return the bits per channel that the file states."""
    if image.format == "TIFF":
        return int((tiff.tag(image, tiff.BITS) or (1,))[0])
    with Path(path).open("rb") as stream:
        return stream.read(25)[24]  # of the header, which comes first


def _step(path: str | Path, image: Image.Image) -> int:
    """Return what Pillow multiplied grey values of 2 or 4 bits by, to fill 8."""
    return 255 // (2 ** min(_bits(path, image), 8) - 1)


def _within_sixteen_bits(values: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest > 65535:
        raise ImageError(f"{name} holds numbers from {lowest} to {highest}; labels are 0 to 65535.")
    return values.astype(np.uint16)


def _not_one_channel(values: np.ndarray[Any, Any], mode: str, name: str) -> str:
    alike = bool((values[..., :3] == values[..., :1]).all())
    hint = (
        "its channels are alike: save one of them"
        if alike
        else "it holds colours. Where they stand for classes, put a table labelmap.txt beside its folder, "
        "with a line such as `road:128,64,128::` for each"
    )
    return f"{name} is an image of mode {mode}, not a label map of one channel; {hint}."


def _require_opaque(alpha: np.ndarray[Any, Any], name: str) -> None:
    if (alpha != 255).any():
        raise ImageError(
            f"{name} has transparent pixels, so what they stand for is open; save it without alpha."
        )
