"""Images in, results out: reading images safely, and writing files whole or not at all."""

from radseg.io.convert import read_image, to_rgb, to_uint8
from radseg.io.image import FORMATS, MAX_PIXELS, DecodedImage, decode_image, read_pixels, shown
from radseg.io.labels import label_dtype, read_label_png, write_label_png
from radseg.io.writing import write_atomically, write_bytes

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "DecodedImage",
    "decode_image",
    "label_dtype",
    "read_image",
    "read_label_png",
    "read_pixels",
    "shown",
    "to_rgb",
    "to_uint8",
    "write_atomically",
    "write_bytes",
    "write_label_png",
]
