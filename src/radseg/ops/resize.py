"""Resizing of images and the two rules that make their sides legal for a patch transformer."""

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import ImageError
from radseg.ops.bands import row_bands
from radseg.types import Rgb, Size


def resize(image: Float[Tensor, "c H W"], size: Size) -> Float[Tensor, "c h w"]:
    """Return `image` resized bilinearly, half-pixel centres, without antialiasing.

    This is the resampling of the reference (spec 4.1 and 4.9). An image that has the size already is returned
    as it is.
    """
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image[None], tuple(size), mode="bilinear", align_corners=False)[0]


def resize_antialiased(image: Float[Tensor, "c H W"], size: Size) -> Float[Tensor, "c h w"]:
    """Return `image` resized bilinearly with antialiasing, each axis on its own (mapping spec 1.0).

    Along an axis that grows this is plain bilinear interpolation.
    """
    if image_size(image) == size:
        return image
    return F.interpolate(image[None], tuple(size), mode="bilinear", align_corners=False, antialias=True)[0]


def resize_nearest(image: Shaped[Tensor, "H W"], size: Size) -> Shaped[Tensor, "h w"]:
    """Return depth or labels at another size: source index = floor((i + 0.5) · in / out).

    This is "nearest-exact" (mapping spec 1.0); values are picked, never mixed, whatever their type.
    """
    height, width = image.shape
    if (height, width) == size:
        return image
    rows, columns = (_nearest(a, b, image.device) for a, b in ((height, size.height), (width, size.width)))
    return image[rows[:, None], columns]


def _nearest(length: int, wanted: int, device: torch.device) -> Int[Tensor, " w"]:
    # Asked of torch rather than computed in whole numbers: where (i + 0.5) · in / out is whole, its float32
    # product may fall just below, and the reference picks that pixel.
    indices = torch.arange(length, dtype=torch.float32, device=device)
    return F.interpolate(indices[None, None], wanted, mode="nearest-exact")[0, 0].long()


def resize_pixels(image: UInt8[np.ndarray, "H W 3"], size: Size) -> Rgb:
    """Return an 8-bit image as float32 in [0, 1] at `size`, bilinear, antialiased.

    Equals resizing the whole image in float32 bit by bit: torch resizes columns first, each row on its own,
    then rows. So columns can be resized a few rows at a time, and the whole is never there in float32.
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return torch.cat([_float_rows(image[rows]) for rows in row_bands(height, width)], dim=1)
    narrow = torch.empty(3, height, size.width)
    for rows in row_bands(height, width):
        part = _float_rows(image[rows])
        narrow[:, rows] = resize_antialiased(part, Size(part.shape[1], size.width))
    return resize_antialiased(narrow, size).clamp_(0, 1)  # weights sum to 1 only up to rounding


def _float_rows(rows: UInt8[np.ndarray, "h W 3"]) -> Rgb:
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(2, 0, 1))).to(torch.float32).div_(255)


def fit_pixels(image: UInt8[np.ndarray, "H W 3"], short: int, *, long_max: int | None = None) -> Rgb:
    """Return an 8-bit image as `fit_short_side` returns it of the same image in float32."""
    return resize_pixels(image, short_side_size(Size(*image.shape[:2]), short, long_max=long_max))


def fit_short_side(image: Rgb, short: int, *, long_max: int | None = None) -> Rgb:
    """Return `image` scaled so that its short side is `short` pixels and its long side at most `long_max`.

    Keeps the aspect ratio up to rounding. Antialiased, so that a large photo does not turn into noise.
    """
    size = short_side_size(image_size(image), short, long_max=long_max)
    if size == image_size(image):
        return image
    resized = F.interpolate(image[None], tuple(size), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].clamp_(0, 1)  # antialiasing weights sum to 1 only up to rounding


def short_side_size(size: Size, short: int, *, long_max: int | None = None) -> Size:
    """Return `size` scaled to a short side of `short`, the long side at most `long_max`; at least 1 pixel."""
    scale = short / min(size)
    if long_max is not None:
        scale = min(scale, long_max / max(size))
    return Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))


def fit_frame(image: Rgb, *, frame: int, patch: int) -> Rgb:
    """Return `image` at long side `frame`, the short side at the nearest number of patches; antialiased."""
    size = image_size(image)
    scale = frame / patch / max(size)
    target = Size(*(max(1, round(side * scale)) * patch for side in size))
    if target == size:
        return image
    resized = F.interpolate(image[None], tuple(target), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].clamp_(0, 1)  # antialiasing weights sum to 1 only up to rounding


def round_to_patch(size: Size, patch: int) -> Size:
    """Return the legal size nearest to `size`: both sides multiples of `patch`, at least one patch.

    Differs from the reference, which rounds up to the window stride and so distorts the aspect by up to 25 %.
    """
    return Size(*(max(1, round(side / patch)) * patch for side in size))


def round_up_to_stride(size: Size, *, stride: int, crop: int) -> Size:
    """Return the size to which the reference implementation resizes its input (spec 4.1).

    Sides that are both multiples of the stride stay, even below the window. Otherwise the long side is
    rounded up to the stride, the short side follows in proportion and is rounded up too, and neither stays
    below the window.
    """
    if size.height % stride == 0 and size.width % stride == 0:
        return size
    longest = max(size)
    target = -(-longest // stride) * stride
    sides = (int(side * target / longest) for side in size)  # truncation in float64, as in the reference
    return Size(*(max(-(-side // stride) * stride, crop) for side in sides))


def require_multiple(size: Size, patch: int) -> None:
    """Raise ImageError unless both sides are positive multiples of `patch`."""
    if min(size) < patch or size.height % patch or size.width % patch:
        raise ImageError(
            f"Image is {size}; both sides must be multiples of {patch}. "
            f"Nearest: {round_to_patch(size, patch)}."
        )


def image_size(image: Float[Tensor, "... H W"]) -> Size:
    """Return the height and width of `image`."""
    return Size(image.shape[-2], image.shape[-1])
