"""One way in: what a person hands over becomes an Rgb tensor, or an error that says what to do instead."""

import math
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from radseg.errors import ImageError
from radseg.io.image import Admit, DecodedImage, decode_image, read_pixels
from radseg.ops.bands import row_bands
from radseg.types import RGB_ROUNDING, Rgb, Size

_ACCEPTED = "a path, an open file, a PIL image, a uint8 array H×W×3, or a float tensor 3×H×W in [0, 1]"


def read_image(source: str | Path | BinaryIO) -> Rgb:
    """Return the image in a file as float32 sRGB in [0, 1], channel first, EXIF orientation applied.

    Raises:
        MissingFileError, ImageError, ResourceError: as `read_pixels`.
    """
    return rgb_of(read_pixels(source))


def to_pixels(image: Any, admit: Admit | None = None) -> DecodedImage | Rgb:
    """Return an image of any kind that `to_rgb` accepts as 8-bit sRGB, or as the Rgb tensor it is.

    A quarter of the memory of float32; nobody else holds it. `admit` is as of `read_pixels`; raises as
    `to_rgb`.
    """
    if _is_file(image):
        return read_pixels(image, admit)
    if isinstance(image, Image.Image):
        return decode_image(image, _name_of(image), admit)
    if isinstance(image, np.ndarray):
        height, width = _checked_array(image).shape[:2]
        if admit is not None:
            admit(Size(height, width), 0)
        return image.copy()
    rgb = to_rgb(image)
    if admit is not None:
        admit(Size(*rgb.shape[1:]), 0)
    return rgb


def to_rgb(image: Any) -> Rgb:
    """Return an image of any accepted kind as float32 sRGB in [0, 1], channel first.

    Accepted: a path, an open binary file, a PIL image (EXIF orientation applied), a uint8 array H×W×3, or a
    floating tensor 3×H×W in [0, 1], which stays on its device.

    Raises:
        ImageError: another kind, shape, type or range; the message says how to convert it. Values that are
            normalised already, or go to 255, are such.
        MissingFileError: a path that does not exist.
    """
    if _is_file(image):
        return read_image(image)
    if isinstance(image, Image.Image):
        return rgb_of(decode_image(image, _name_of(image)))
    if isinstance(image, np.ndarray):
        return rgb_of(_checked_array(image))
    if isinstance(image, torch.Tensor):
        return _checked_tensor(image)
    if isinstance(image, bytes | bytearray | memoryview):
        raise ImageError(f"Got {len(image)} bytes; hand them over as a file: io.BytesIO(data).")
    if isinstance(image, list | tuple):
        raise ImageError(
            f"Got a {type(image).__name__} of {len(image)} where one image is needed: {_ACCEPTED}."
        )
    raise ImageError(f"Got {type(image).__name__} where an image is needed: {_ACCEPTED}.")


def to_uint8(rgb: Rgb) -> UInt8[np.ndarray, "H W 3"]:
    """Return an Rgb tensor as an 8-bit image, rounded to the nearest value."""
    _, height, width = rgb.shape
    image = np.empty((height, width, 3), np.uint8)
    for rows in row_bands(height, width):
        part = (rgb[:, rows].detach().float() * 255).round().to(torch.uint8)
        image[rows] = part.permute(1, 2, 0).cpu().numpy()
    return image


def rgb_of(image: UInt8[np.ndarray, "H W 3"]) -> Rgb:
    """Return an 8-bit image as float32 in [0, 1], channel first."""
    rgb = torch.empty(3, *image.shape[:2])
    for rows in row_bands(*image.shape[:2]):
        part = np.ascontiguousarray(image[rows].transpose(2, 0, 1))
        torch.div(torch.from_numpy(part).to(torch.float32), 255, out=rgb[:, rows])
    return rgb


def _is_file(image: Any) -> bool:
    """Whether it is a path, or has the methods of an open file; a PIL image has `seek`, but no `read`."""
    return isinstance(image, str | Path) or (hasattr(image, "read") and hasattr(image, "seekable"))


def _name_of(image: Image.Image) -> str:
    return (
        str(getattr(image, "filename", "")) or f"The PIL image ({image.mode}, {image.width}×{image.height})"
    )


def _checked_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype != np.uint8:
        raise ImageError(f"Got an array of {array.dtype}, shape {_shape(array)}; {_array_hint(array)}")
    if array.ndim == 3 and array.shape[2] == 3 and array.size > 0:
        _warn_if_black(int(array.max()) / 255)
        return array
    raise ImageError(f"Got an array of shape {_shape(array)}; {_shape_hint(tuple(array.shape), 'array')}")


def _array_hint(array: np.ndarray[Any, Any]) -> str:
    wanted = "arrays must be uint8 H×W×3 from 0 to 255"
    if array.dtype == np.uint16:
        return f"{wanted}. For 16-bit values: (array // 257).astype(np.uint8)."
    if array.dtype == np.bool_ or not np.issubdtype(array.dtype, np.number):
        return f"{wanted}."
    lowest, highest = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if lowest < 0 or highest > 255 or math.isnan(lowest):
        return (
            f"{wanted}, and these lie between {lowest:.4g} and {highest:.4g}. {_range_hint(lowest, highest)}"
        )
    if np.issubdtype(array.dtype, np.floating) and highest <= 1:
        return f"{wanted}. For values in [0, 1]: (array * 255).round().astype(np.uint8)."
    return f"{wanted}. For values from 0 to 255: array.astype(np.uint8)."


def _checked_tensor(tensor: torch.Tensor) -> Rgb:
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or shape[0] != 3 or tensor.numel() == 0:
        raise ImageError(f"Got a tensor of shape {_shape(tensor)}; {_shape_hint(shape, 'tensor')}")
    if not tensor.is_floating_point():
        hint = " For values from 0 to 255: tensor.float() / 255." if tensor.dtype == torch.uint8 else ""
        raise ImageError(f"Got a tensor of {tensor.dtype}; tensors must be floating in [0, 1].{hint}")
    lowest, highest = (float(value) for value in torch.aminmax(tensor))
    if not (
        lowest >= -RGB_ROUNDING and highest <= 1 + RGB_ROUNDING
    ):  # also catches NaN, which compares false
        raise ImageError(
            f"Got a tensor with values from {lowest:.4g} to {highest:.4g}; they must lie in [0, 1]. "
            f"{_range_hint(lowest, highest)}"
        )
    _warn_if_black(highest)
    tensor = tensor.to(torch.float32)
    return tensor if lowest >= 0 and highest <= 1 else tensor.clamp(0, 1)


def _range_hint(lowest: float, highest: float) -> str:
    if math.isnan(lowest) or math.isnan(highest):
        return "Replace the NaN values."
    if lowest >= -0.1 and highest <= 1.1:
        return "Resampling overshoots a little: tensor.clamp(0, 1)."
    if lowest < 0:
        return (
            "This looks normalised already (a mean subtracted). Hand over the image as it was before: the "
            "model normalises it itself, and doing so twice gives plausible nonsense."
        )
    return f"Divide by {255 if highest <= 255 else 65535 if highest <= 65535 else f'{highest:.6g}'}."


def _warn_if_black(highest: float) -> None:
    """Warn of an image whose brightest value is 1 of 255: it was scaled once too often. Black is no fault."""
    if 0 < highest <= 1.01 / 255:
        warnings.warn(
            "An image is nearly black: no value is above 1 of 255. Was it divided by 255 twice, or made "
            "uint8 while in [0, 1]?",
            stacklevel=4,
        )


def _shape_hint(shape: tuple[int, ...], kind: str) -> str:
    wanted = "an array must be H×W×3" if kind == "array" else "a tensor must be 3×H×W"
    axis = 2 if kind == "array" else 0
    if 0 in shape:
        return f"{wanted}, each side at least 1."
    if len(shape) == 4:
        return f"{wanted}, one image at a time. Take one with images[0], or hand over a list of images."
    if len(shape) == 2:
        repeat = "np.stack([grey] * 3, axis=2)" if kind == "array" else "grey.expand(3, -1, -1)"
        return f"{wanted}. For a grey image: {repeat}."
    if len(shape) == 3 and shape[2 - axis] == 3:
        return f"{wanted}. The channels are on the wrong side: {_transposed(kind)}."
    if len(shape) == 3 and shape[axis] == 4:
        drop = "image[..., :3]" if kind == "array" else "image[:3]"
        return f"{wanted}. To drop the alpha channel: {drop}."
    return f"{wanted}."


def _transposed(kind: str) -> str:
    return "array.transpose(1, 2, 0)" if kind == "array" else "tensor.permute(2, 0, 1)"


def _shape(values: Any) -> str:
    return "×".join(str(side) for side in values.shape) or "()"
