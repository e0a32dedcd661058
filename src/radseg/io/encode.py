"""Images and arrays as the bytes of a file, for `radseg.files` to write."""

import io
from typing import Any

import numpy as np
from PIL import Image

from radseg.errors import InputError

IMAGE_ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What an image may be saved as: endings, and Pillow's names of the formats."""


def image_bytes(image: Image.Image, ending: str = ".png") -> bytes:
    """Return an image as a file of this ending; JPEG and WebP in quality 92.

    Raises:
        InputError: another ending than those of `IMAGE_ENDINGS`.
    """
    kind = IMAGE_ENDINGS.get(ending.lower())
    if kind is None:
        raise InputError(f"Cannot save an image as {ending!r}; use {', '.join(IMAGE_ENDINGS)}.")
    buffer = io.BytesIO()
    image.save(buffer, format=kind, quality=92)
    return buffer.getvalue()


def arrays_bytes(**arrays: np.ndarray[Any, Any]) -> bytes:
    """Return arrays of numbers and text as a compressed NPZ."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
