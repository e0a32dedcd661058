"""HEIC photos by `pillow-heif`, an extra. Its plugin is not registered: Pillow stays as it was."""

from typing import BinaryIO

from PIL import Image

from radseg.extras import require

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")
"""Major brands of still images: of HEVC's, and the common one. Those of sequences (hevc, msf1) are videos."""


def opened(stream: BinaryIO) -> Image.Image | None:
    """Return a HEIC photo, its pixels not decoded yet; None for what is none. It stands on its primary image.

    Raises:
        MissingExtraError: it is one, and pillow-heif is not installed.
        SyntaxError: its header is damaged.
    """
    head = stream.read(512)
    stream.seek(0)
    brands = head[8 : int.from_bytes(head[:4])]
    if head[4:8] != b"ftyp" or not brands.startswith(_BRANDS) or b"avif" in brands:
        return None
    image: Image.Image = require("pillow_heif", "heif").HeifImageFile(stream)
    return image
