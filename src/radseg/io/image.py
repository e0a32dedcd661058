"""Decode one image file to 8-bit sRGB. Every file that cannot be used is an error of one line that names it.

Only the formats listed here are tried, sizes are checked before decoding, and nothing is executed. Colour
profiles are not applied: pixel values are taken as sRGB, as the published evaluations do.
"""

import warnings
from collections.abc import Callable
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from radseg.errors import ImageError, MissingFileError, RadsegError, ResourceError
from radseg.files import shown
from radseg.io import tiff
from radseg.ops.bands import row_bands
from radseg.types import Size

DecodedImage = UInt8[np.ndarray, "H W 3"]
"""An 8-bit sRGB image in the usual layout: rows, columns, channels."""

Admit = Callable[[Size, int], None]
"""Refuses an image by its size and the bytes that decoding it takes, or returns."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""The file formats that are read, by Pillow's names; all others are refused before any decoder sees them."""

MAX_PIXELS = 178_956_970
"""Most pixels an image may have: where Pillow, too, refuses a bomb. 0.5 GB decoded, 2.1 GB as float32."""

MAX_SIDE = 65_000
"""Most pixels of one side. libjpeg reads and writes 65,500 at most, and a plot may be a JPEG with a legend
below the image."""

_ORIENTATION = 0x0112
"""EXIF's tag; its values 2 to 8 are the turns that make an image upright."""
_AS_STORED: dict[int, Callable[[DecodedImage], DecodedImage]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, 3),
}
"""Per orientation a view of the upright image whose rows are those of the file."""
_DARK = 16  # of 255: where 4095 of 65535 lies, the white of 12 bits
_DARK_HINT = (
    "A 16-bit image is nearly black: no value is above a 16th of white. If its values have 12 bits, multiply "
    "them by 16 first; if they have 10, by 64."
)

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")

# Containers people try that need another program; the bytes are where each format keeps its signature.
_FOREIGN = (
    (4, b"ftyphei", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIF photo"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftyp", "a video or HEIF container"),
    (0, b"%PDF", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML or SVG file"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)


def read_pixels(path: str | Path, admit: Admit | None = None) -> DecodedImage:
    """Return the image in a file as the viewer shows it: EXIF orientation applied, transparency over white.

    Grey, palette, CMYK and 1-bit files become RGB; 16-bit values are divided by 257, not cut off. EXIF that
    cannot be read means upright. A fourth band of a TIFF is transparency only where the file says so.

    Args:
        admit: is called with the size and the bytes that decoding takes, before it; may refuse.

    Raises:
        MissingFileError: there is no such file.
        ImageError: a folder, empty, not an image, damaged, animated, or larger than MAX_PIXELS.
        ResourceError: the file may not be read, or memory is short.
    """
    name = shown(path)
    try:
        with _regular_file(path).open("rb") as stream:
            return _decode_stream(stream, name, admit)
    except RadsegError:
        raise
    except PermissionError as error:
        raise ResourceError(f"{name} may not be read; allow it: chmod +r {name}") from error
    except MemoryError as error:
        raise ResourceError(f"{name} does not fit into memory; shrink it first.") from error
    except OSError as error:
        raise ResourceError(f"{name} cannot be read: {error.strerror or error}.") from error


def stored_size(path: str | Path) -> Size:
    """Return the size that the header of an image file tells, before EXIF turns it; nothing is decoded.

    Raises:
        MissingFileError, ImageError, ResourceError: as `read_pixels`, where the header shows it.
    """
    name = shown(path)
    try:
        with _regular_file(path).open("rb") as stream, closing(_open(stream, name)) as image:
            require_size(image.size, name)
            return Size(image.height, image.width)
    except OSError as error:
        raise ResourceError(f"{name} cannot be read: {error.strerror or error}.") from error


def decode_bytes(content: bytes, name: str) -> DecodedImage:
    """Return the image in the bytes of a file as `read_pixels` does; `name` stands for it in messages.

    Raises:
        ImageError: as `read_pixels`.
    """
    return _decode_stream(BytesIO(content), name, None)


def decode_image(image: Image.Image, name: str, admit: Admit | None = None) -> DecodedImage:
    """Return an opened Pillow image as 8-bit sRGB; `name` stands for it in messages.

    `admit` is as of `read_pixels`. An animation is taken at the frame it stands on: whoever opened it chose
    that.

    Raises:
        ImageError: damaged, without pixels, larger than MAX_PIXELS, or of a mode with no defined range.
    """
    require_size(image.size, name)
    if admit is not None:
        admit(Size(image.height, image.width), decoding_bytes(image))
    try:
        deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
        with tiff.unheard():
            image.load()
        pixels = _upright(image, _to_rgb8(image, name))
    except (RadsegError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes, even TypeError
        raise ImageError(
            f"{name} is damaged or cut short ({_reason(error)}); copy or download it again."
        ) from error
    if deep and 0 < pixels.max() <= _DARK:
        warnings.warn(_DARK_HINT, stacklevel=2)
    return pixels


def _regular_file(path: str | Path) -> Path:
    name, file = shown(path), Path(path)
    if not str(path):
        raise MissingFileError("The image path is empty; name a file.")
    try:
        if file.is_dir():
            raise ImageError(
                f"{name} is a folder; name an image file, or run `radseg segment {name}` on all of it."
            )
        if not file.exists():
            raise MissingFileError(f"There is no file {name} (looked in {shown(file.absolute().parent)}).")
        if not file.is_file():
            raise ImageError(f"{name} is not a regular file; name an image file.")
        if file.stat().st_size == 0:
            raise ImageError(f"{name} is empty (0 bytes); copy or download it again.")
    except RadsegError:
        raise
    except ValueError as error:  # a NUL inside the path
        raise MissingFileError(f"{name} cannot be the name of a file: {error}.") from error
    return file


def _decode_stream(stream: BinaryIO, name: str, admit: Admit | None) -> DecodedImage:
    with closing(_open(stream, name)) as image:
        require_size(image.size, name)
        frames = _frames(image, name)
        if frames > 1 and image.format != "MPO":  # MPO: a photo with its thumbnails, the photo comes first
            raise ImageError(
                f"{name} has {frames} frames or pages; one still image is needed. Save the one you mean as "
                f"PNG, or open the file with Pillow, seek() to the frame and hand that over."
            )
        return decode_image(image, name, admit)


def decoding_bytes(image: Image.Image) -> int:
    """Return the bytes alive while an opened image is decoded to 8-bit RGB (measured, Pillow 13).

    Pillow's own form and ours; what a decoder holds beside the first: WebP two canvases and a copy, a
    progressive JPEG its coefficients, a TIFF at worst all of it as one strip.
    """
    stored = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode in _SIXTEEN_BIT else 4)
    progressive = image.format == "JPEG" and image.info.get("progressive", 0)
    beside = 12 if image.format == "WEBP" else 6 if progressive else stored if image.format == "TIFF" else 0
    return image.width * image.height * (stored + max(3, beside))


def _open(stream: BinaryIO, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # require_size decides
            return Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError:
        require_size(_size_of_bomb(stream, name), name)
        raise ImageError(
            f"{name} holds an image of more than {MAX_PIXELS:,} pixels; shrink it first."
        ) from None
    except UnidentifiedImageError:
        raise ImageError(_not_an_image(stream, name)) from None
    except (RadsegError, MemoryError):
        raise
    except Exception as error:  # a header that breaks its own decoder
        raise ImageError(
            f"{name} is damaged in its header ({_reason(error)}); copy or download it again."
        ) from error


def _size_of_bomb(stream: BinaryIO, name: str) -> tuple[int, int]:
    """Read only the header again: Pillow's exception does not tell the sides."""
    for identifier in FORMATS:
        factory, accept = Image.OPEN[identifier]
        stream.seek(0)
        prefix = stream.read(16)
        stream.seek(0)
        if accept is None or accept(prefix):
            try:
                return factory(stream, name).size
            except Exception:  # another format may own these bytes
                continue
    return (0, 0)


def require_size(size: tuple[int, int], name: str) -> None:
    """Raise ImageError for a width and height that no file of pixels may have."""
    width, height = size
    if max(size) > MAX_SIDE:
        raise ImageError(
            f"{name} is {width}×{height} pixels; each side may have at most {MAX_SIDE:,}. Cut it into tiles "
            "first."
        )
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} is {width}×{height} pixels ({width * height / 1e6:,.0f} million); at most "
            f"{MAX_PIXELS / 1e6:,.0f} million are decoded. Shrink it or cut it into tiles first."
        )
    if width < 1 or height < 1:
        raise ImageError(f"{name} is {width}×{height} pixels; each side must be at least 1.")


def _frames(image: Image.Image, name: str) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:
        raise ImageError(
            f"{name} is damaged or cut short ({_reason(error)}); copy or download it again."
        ) from error


def _upright(image: Image.Image, convert: Callable[[Image.Image], Any]) -> DecodedImage:
    """Return the pixels as EXIF turns them, converted a few rows at a time.

    Broken EXIF says nothing, too: every viewer opens such a photo, and its pixels are judged elsewhere.
    """
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:
        value = None
    orientation = value if isinstance(value, int) and value in _AS_STORED else 1
    width, height = image.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = _AS_STORED[orientation](upright)
    for rows in row_bands(height, width):
        stored[rows] = np.asarray(convert(image.crop((0, rows.start, width, rows.stop))))
    return upright


def _to_rgb8(image: Image.Image, name: str) -> Callable[[Image.Image], Any]:
    """Return what turns rows of this image into 8-bit RGB, transparency over white.

    Raises:
        ImageError: a mode with no defined range.
    """
    if image.mode in _SIXTEEN_BIT or (image.mode == "I" and image.format == "PPM"):
        (bits,) = tiff.tag(image, tiff.BITS) or (16,)
        # Pillow turns white that is zero round in 8 bits only.
        inverted = tiff.tag(image, tiff.PHOTOMETRIC) == (tiff.WHITE_IS_ZERO,)
        return partial(_from_sixteen_bits, white=2**bits - 1, inverted=inverted)
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating point numbers"
        raise ImageError(
            f"{name} holds {kind} with no defined white; scale it to 8 or 16 bits per channel, "
            f"or hand over an Rgb tensor in [0, 1]."
        )
    if image.mode == "LAB":
        raise ImageError(f"{name} is in the LAB colour space; save it as RGB.")
    near_infrared = image.format == "TIFF" and image.mode in ("RGBA", "LA") and not tiff.declares_alpha(image)
    if image.has_transparency_data and not near_infrared:
        return _over_white
    return partial(Image.Image.convert, mode="RGB")


def _from_sixteen_bits(rows: Image.Image, *, white: int, inverted: bool) -> np.ndarray[Any, Any]:
    values = np.asarray(rows).astype(np.uint32)
    values = white - values if inverted else values
    return ((values * 255 + white // 2) // white).astype(np.uint8)[..., None]


def _over_white(rows: Image.Image) -> Image.Image:
    white = Image.new("RGBA", rows.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rows.convert("RGBA")).convert("RGB")


def _not_an_image(stream: BinaryIO, name: str) -> str:
    stream.seek(0)
    head = stream.read(64)
    for offset, signature, kind in _FOREIGN:
        if head[offset:].startswith(signature):
            return f"{name} is {kind}; radseg reads {_FORMAT_LIST}. Save it as one of those."
    if (tagged := tiff.kind_of(stream)) is not None:
        return f"{name} is a TIFF of a kind that Pillow cannot read ({tagged}); save it as PNG or 8-bit RGB."
    return f"{name} is not an image that can be read, or its header is damaged; radseg reads {_FORMAT_LIST}."


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:99] + "…"


_FORMAT_LIST = "JPEG, PNG, WebP, TIFF, BMP, GIF and PPM"
