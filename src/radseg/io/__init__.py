"""Images in, results out: reading images safely, and encoding results. Writing is in `radseg.files`."""

from radseg.io.convert import read_image, rgb_of, to_pixels, to_rgb, to_uint8
from radseg.io.encode import IMAGE_ENDINGS, arrays_bytes, image_bytes
from radseg.io.image import (
    FORMATS,
    MAX_PIXELS,
    MAX_SIDE,
    Admit,
    DecodedImage,
    decode_bytes,
    decode_image,
    read_pixels,
    stored_size,
)
from radseg.io.labels import (
    LABEL_ENDINGS,
    label_dtype,
    label_png_bytes,
    read_label_colours,
    read_label_map,
)

__all__ = [
    "FORMATS",
    "IMAGE_ENDINGS",
    "LABEL_ENDINGS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "Admit",
    "DecodedImage",
    "arrays_bytes",
    "decode_bytes",
    "decode_image",
    "image_bytes",
    "label_dtype",
    "label_png_bytes",
    "read_image",
    "read_label_colours",
    "read_label_map",
    "read_pixels",
    "rgb_of",
    "stored_size",
    "to_pixels",
    "to_rgb",
    "to_uint8",
]
