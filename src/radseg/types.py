"""The small typed values that cross module borders. No computation beyond what a value knows about itself.

Axis letters (docs/conventions.md): n windows, p patches, t all tokens, d backbone width, e language width,
c classes, r text rows, h w patch grid, H W pixels.
"""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, Integer, UInt8
from torch import Tensor, nn

from radseg.errors import InputError, SpaceMismatchError

Rgb = Float[Tensor, "3 H W"]
"""One image: sRGB in [0, 1], channel first. The only image type inside the library."""

RGB_ROUNDING = 1e-6
"""How far beyond [0, 1] a value of an Rgb may lie: antialiased resizing of a white image gives 1 + 2.4e-7."""

FeatureMap = Float[Tensor, "d h w"]
"""Features of one image on the patch grid, in the backbone's own space."""

Up = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
"""The world axis, and its direction, that points up."""


def shortly(value: object) -> str:
    """Return a value as one short line: arrays by shape, networks by size, long collections by count."""
    match value:
        case nn.Module():
            count = sum(parameter.numel() for parameter in value.parameters())
            return f"{type(value).__name__}({count / 1e6:.1f} M parameters)"
        case Tensor() | np.ndarray():
            shape = "×".join(str(side) for side in value.shape) or "scalar"
            return f"{str(value.dtype).removeprefix('torch.')} {shape}"
        case str() | bytes():
            return repr(value) if len(value) <= 60 else f"{value[:59]!r}…"
        case Mapping() | list() | tuple() | Set() if len(value) > 4:
            return f"{type(value).__name__} of {len(value)}"
        case list() | tuple() if type(value) in (list, tuple):
            return f"({', '.join(shortly(one) for one in value)})"
    named = callable(value) and getattr(value, "__qualname__", None)
    return str(named or repr(value))


class ShortRepr:
    """Base of networks, and of dataclasses that hold arrays: their repr is one line, without the numbers."""

    def __repr__(self) -> str:
        if not is_dataclass(self):
            return shortly(self)
        shown = (f"{one.name}={shortly(getattr(self, one.name))}" for one in fields(self))
        return f"{type(self).__name__}({', '.join(shown)})"


class Size(NamedTuple):
    """Height and width, in pixels or in patches as the name that holds it says."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"


class Window(NamedTuple):
    """A rectangle on the patch grid, in patches."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False, repr=False)
class PatchTokens(ShortRepr):
    """What a backbone returns for a batch of equal-size windows, in backbone space."""

    patches: Float[Tensor, "n p d"]
    summary: Float[Tensor, "n s d"]
    grid: Size

    def __post_init__(self) -> None:
        if self.patches.shape[1] != self.grid.height * self.grid.width:
            raise InputError(f"{self.patches.shape[1]} patches do not fill a grid of {self.grid}.")


@dataclass(frozen=True, eq=False, repr=False)
class LanguageFeatures(ShortRepr):
    """Language-aligned features of one image on the patch grid, and the space they live in.

    Attributes:
        values: on the method's grid, over the whole image.
        space: name of the text space.
        regions: logits of the masks of regions that the method used, of the image squeezed to a
            square, for `refine.region_labels`; None of most methods.
    """

    values: Float[Tensor, "e h w"]
    space: str
    regions: Float[Tensor, "r k k"] | None = None

    def to(self, device: str) -> "LanguageFeatures":
        """Return the same on a device."""
        regions = None if self.regions is None else self.regions.to(device)
        return LanguageFeatures(self.values.to(device), self.space, regions)


@dataclass(frozen=True, eq=False, repr=False)
class EncodedImage(ShortRepr):
    """An image that was encoded: what `Segmenter.segment` takes in its place, to ask again in milliseconds.

    Attributes:
        features: by the encoder of the Segmenter that made this one.
        image: as it was read, for refinement and overlays; 8-bit sRGB, or sRGB in [0, 1] as it was given.
        source: path of its file; "" for an image that was in memory.
    """

    features: LanguageFeatures
    image: UInt8[np.ndarray, "H W 3"] | Rgb
    source: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class TextEmbeddings(ShortRepr):
    """Embeddings of a vocabulary: one or more rows per name (its synonyms), all in one space.

    Rows need not have unit length: the mean over templates is kept as it is, the cosine normalises (RADSeg
    §4.1).

    Attributes:
        names: the c class names, in the caller's order.
        values: one row per name or synonym.
        row_class: for each row the index of its name in `names`; non-decreasing, every name at least once.
        space: name of the embedding space, e.g. "siglip2-so400m-patch16-naflex".
    """

    names: tuple[str, ...]
    values: Float[Tensor, "r e"]
    row_class: tuple[int, ...]
    space: str

    def __post_init__(self) -> None:
        if len(self.row_class) != self.values.shape[0]:
            raise InputError(f"{self.values.shape[0]} text rows but {len(self.row_class)} row classes.")
        if tuple(sorted(set(self.row_class))) != tuple(range(len(self.names))):
            raise InputError("Every name needs at least one text row, and every row a name.")
        if tuple(sorted(self.row_class)) != self.row_class:
            raise InputError("Text rows must be in the order of their names.")

    def require_space(self, space: str) -> None:
        """Raise SpaceMismatchError unless these embeddings live in `space`."""
        if self.space != space:
            raise SpaceMismatchError(
                f"The text embeddings are in space {self.space!r}, the image features in {space!r}. "
                f"Embed the prompts with the text tower of {space!r} (radseg text --model …)."
            )

    def require_width(self, width: int) -> None:
        """Raise SpaceMismatchError unless each row has `width` numbers."""
        if self.values.shape[1] != width:
            raise SpaceMismatchError(
                f"Each text embedding has {self.values.shape[1]} numbers, and the space {self.space!r} has "
                f"{width}: another text tower made them. Embed the prompts again (radseg text --model …)."
            )

    def followed_by(self, other: "TextEmbeddings") -> "TextEmbeddings":
        """Return these names with those of `other` after them, in one vocabulary of one space."""
        other.require_space(self.space)
        shifted = (len(self.names) + index for index in other.row_class)
        return TextEmbeddings(
            names=(*self.names, *other.names),
            values=torch.cat([self.values, other.values.to(self.values)]),
            row_class=(*self.row_class, *shifted),
            space=self.space,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Segments(ShortRepr):
    """Objects and stuff of one image or scene: every pixel, voxel or point is in at most one.

    Attributes:
        ids: 0 for none; segment i is i + 1. Of a truth 0 is void: not judged.
        labels: class of each segment, from 0.
        crowd: of a truth, segments that are not judged: several objects in one, or too small.
    """

    ids: Integer[np.ndarray, "*places"]
    labels: Int64[np.ndarray, " s"]
    crowd: Bool[np.ndarray, " s"]


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion.

    Pixel indices are pixel centres: column u, row v and depth z stand for the point
    z · ((u - cx) / fx, (v - cy) / fy, 1) (mapping spec 2.1).

    Attributes:
        fx, fy: in pixels.
        cx, cy: in pixels.
        size: of the images it belongs to, in pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: Size

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(number) for number in numbers) or min(self.fx, self.fy) <= 0:
            raise InputError(
                f"Intrinsics need finite numbers and positive focal lengths; got fx, fy, cx, cy = {numbers}."
            )

    def resized(self, size: Size) -> "Intrinsics":
        """Return the camera of the same image at another size; no half-pixel shift (mapping spec 1.0)."""
        across, down = size.width / self.size.width, size.height / self.size.height
        return Intrinsics(self.fx * across, self.fy * down, self.cx * across, self.cy * down, size)


@dataclass(frozen=True, eq=False, repr=False)
class Frame(ShortRepr):
    """One RGB-D image with its place in the world.

    Attributes:
        id: unique within the sequence; names the frame in messages and manifests.
        rgb: the colour image, at its own size.
        depth: metres along the optical axis; NaN, infinite, zero or negative where unknown.
        intrinsics: of the depth camera, at the size of `depth`.
        camera_to_world: pose of the depth camera, OpenCV axes (x right, y down, z forward), metres; float64.
        colour_intrinsics: of a separate colour camera; None where colour is registered to depth, pixel by
            pixel up to scale.
        depth_to_colour: moves points from the depth camera's axes to the colour camera's; None is identity.
        timestamp: seconds, where known.
        semantics: class index per colour pixel, 0 = ignore, where there is ground truth.
    """

    id: str
    rgb: Rgb
    depth: Float[Tensor, "H W"]
    intrinsics: Intrinsics
    camera_to_world: Float[Tensor, "4 4"]
    colour_intrinsics: Intrinsics | None = None
    depth_to_colour: Float[Tensor, "4 4"] | None = None
    timestamp: float | None = None
    semantics: Int[Tensor, "H W"] | None = None
