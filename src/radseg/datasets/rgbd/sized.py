"""A sequence whose pictures have the sizes of an evaluation protocol (mapping spec 1.0)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.datasets.rgbd.base import RgbdSequence
from radseg.types import Frame, Rgb, Size


@dataclass(frozen=True)
class Sized:
    """RgbdSequence that resizes what another one reads; each axis on its own, as RayFronts does.

    Attributes:
        colour: size of the colour picture and of the labels; None keeps theirs.
        depth: size of the depth; None keeps its own. The intrinsics follow without half-pixel shift.
    """

    sequence: RgbdSequence
    colour: Size | None = None
    depth: Size | None = None

    def __len__(self) -> int:
        return len(self.sequence)

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames."""
        return self.sequence.frame_ids()

    def read(self, frame_id: str) -> Frame:
        """Return one frame at the wanted sizes.

        Raises:
            ImageError, InputError: as the sequence.
        """
        frame = self.sequence.read(frame_id)
        if self.colour is not None:
            camera = frame.colour_intrinsics
            frame = replace(
                frame,
                rgb=resize_colour(frame.rgb, self.colour),
                semantics=None if frame.semantics is None else resize_labels(frame.semantics, self.colour),
                colour_intrinsics=None if camera is None else camera.resized(self.colour),
            )
        if self.depth is not None:
            frame = replace(
                frame,
                depth=resize_depth(frame.depth, self.depth),
                intrinsics=frame.intrinsics.resized(self.depth),
            )
        return frame


def resize_colour(rgb: Rgb, size: Size) -> Rgb:
    """Return the picture at `size`: bilinear, half-pixel centres, antialiased where it shrinks."""
    if tuple(rgb.shape[1:]) == tuple(size):
        return rgb
    return F.interpolate(rgb[None], tuple(size), mode="bilinear", align_corners=False, antialias=True)[0]


def resize_depth(depth: Float[Tensor, "H W"], size: Size) -> Float[Tensor, "h w"]:
    """Return the depth at `size`: the source pixel floor((i + 0.5)·in/out), so no value is invented."""
    if tuple(depth.shape) == tuple(size):
        return depth
    return F.interpolate(depth[None, None], tuple(size), mode="nearest-exact")[0, 0]


def resize_labels(labels: Int[Tensor, "H W"], size: Size) -> Int[Tensor, "h w"]:
    """Return the labels at `size`, by the rule of `resize_depth`."""
    # Through float64, exact up to 2^53: nearest-exact takes no integers.
    return resize_depth(labels.to(torch.float64), size).to(labels.dtype)
