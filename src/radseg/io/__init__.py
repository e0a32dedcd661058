"""Pictures in, results out: reading images safely, and writing files whole or not at all."""

from radseg.io.convert import picture_of, read_image, to_rgb
from radseg.io.labels import label_dtype, read_label_png, write_label_png
from radseg.io.picture import FORMATS, MAX_PIXELS, Picture, decode_picture, read_picture, shown
from radseg.io.writing import write_atomically, write_bytes

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Picture",
    "decode_picture",
    "label_dtype",
    "picture_of",
    "read_image",
    "read_label_png",
    "read_picture",
    "shown",
    "to_rgb",
    "write_atomically",
    "write_bytes",
    "write_label_png",
]
