"""Label maps as PNG: 8-bit with a palette up to 254 names, 16-bit grey above (PNG has no 16-bit palette)."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from radseg.colours import palette
from radseg.errors import ImageError, InputError
from radseg.files import shown
from radseg.io.encode import image_bytes

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


def read_label_png(path: str | Path) -> np.ndarray[Any, Any]:
    """Return the label map of a PNG as uint8 or uint16, H×W: the pixel values, not their colours.

    Raises:
        ImageError: not a PNG of one channel, or damaged.
    """
    try:
        with warnings.catch_warnings():
            # Pillow refuses twice this size as an error: the limit of images, see io.image.MAX_PIXELS
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path, formats=("PNG",))
        with opened as image:
            if image.mode not in ("P", "L", "I;16"):
                raise ImageError(
                    f"{shown(path)} is an image of mode {image.mode}, not a label map of one channel."
                )
            return np.array(image)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes
        raise ImageError(f"{shown(path)} is not a label map that can be read: {error}.") from error
