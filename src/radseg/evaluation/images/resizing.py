"""The image path of the published evaluation: mmsegmentation's size rule, OpenCV's 8-bit bilinear.

Pillow decodes, as everywhere in this package: the pixels are those of OpenCV's decoder (tests/evaluation).
Resizing with another library, antialiased or in floating point, moves mIoU by about 0.1 points (methods
spec 1.1), so OpenCV does that here.
"""

from types import ModuleType

import numpy as np
import torch
from jaxtyping import UInt8

from radseg.errors import InputError
from radseg.extras import require
from radseg.types import Rgb, Size


def mmseg_size(size: Size, *, long_side: int, short_side: int) -> Size:
    """Return the size to which mmsegmentation's Resize with keep_ratio brings an image (spec 6.1).

    The largest scale that keeps the long side within `long_side` and the short side within `short_side`,
    in pixels; each side is rounded half up.

    Raises:
        InputError: `long_side` is below `short_side`.
    """
    if long_side < short_side:
        raise InputError(f"The long side {long_side} is below the short side {short_side}; exchange them.")
    scale = min(long_side / max(size), short_side / min(size))
    return Size(*(max(1, int(side * scale + 0.5)) for side in size))


def resize_image(image: UInt8[np.ndarray, "H W 3"], size: Size) -> UInt8[np.ndarray, "h w 3"]:
    """Return the image at `size` by OpenCV's bilinear interpolation on 8-bit values, without antialiasing.

    Raises:
        MissingExtraError: OpenCV is not installed; the message holds the pip line.
    """
    cv2 = load_opencv()
    resized: UInt8[np.ndarray, "h w 3"] = cv2.resize(
        image, (size.width, size.height), interpolation=cv2.INTER_LINEAR
    )
    return resized


def load_opencv() -> ModuleType:
    """Return OpenCV's Python module, set to one thread: several images are resized at a time.

    Raises:
        MissingExtraError: it is not installed.
    """
    cv2: ModuleType = require("cv2", "eval")
    cv2.setNumThreads(1)
    return cv2


def rgb_of(image: UInt8[np.ndarray, "H W 3"]) -> Rgb:
    """Return an 8-bit image as the network takes it: float32 in [0, 1], channel first.

    Differs from the published evaluation, which subtracts mean and deviation rounded to three decimals
    (122.771 …, in units of 0 to 255) outside the network; here the network's own constants apply, from
    which those differ by at most 1.5e-5 of a standard deviation at mid grey.
    """
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(torch.float32).div_(255)
