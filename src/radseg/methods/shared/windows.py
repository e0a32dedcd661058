"""How an image is cut into windows and put together again: what the methods that slide share. No method."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from radseg.methods.base import (
    require_windows,
    slide_windows,
    window_bytes,
    window_size,
)
from radseg.models.base import Backbone, PatchBackbone
from radseg.modes import DEFAULT_MEMORY_BUDGET, SizeRule
from radseg.ops.resize import image_size, resize
from radseg.types import FeatureMap, Rgb, Size

_LANGUAGE = 1536
"""Channels of the widest text space there is, SigLIP 2 giant."""

Statistics = Literal["window", "image"]
"""What a mean is taken over: each window alone, or all of an image's, as code that batches them does."""

GridOrder = Literal["rows", "transposed"]
"""How a grid that is not square is read: row by row, or with its sides exchanged, as in some codes."""


@dataclass(frozen=True)
class Windows:
    """A backbone and the windows in which it sees an image.

    Attributes:
        backbone: the one whose text space the features land in.
        crop: window side in pixels, None for the whole image as one window.
        stride: step between windows in pixels.
        size_rule: see `SizeRule`.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
    """

    backbone: Backbone
    crop: int | None = 224
    stride: int = 112
    size_rule: SizeRule = "patch"
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def __post_init__(self) -> None:
        require_windows(size_divisor=self.size_divisor, crop=self.crop, stride=self.stride)

    @property
    def backbones(self) -> tuple[PatchBackbone, ...]:
        """The networks that look at a window."""
        return (self.backbone,)

    @property
    def feature_stride(self) -> int:
        """Side in pixels of a cell of the feature map."""
        return self.backbone.patch

    @property
    def size_divisor(self) -> int:
        """What image sides, crop and stride must be multiples of, in pixels: whole patches of every backbone.

        Under the rule "up" whole patches of the backbone alone: of others, what is whole of a window is seen.
        """
        if self.size_rule == "up":
            return self.backbone.patch
        return math.lcm(*(backbone.patch for backbone in self.backbones))

    @property
    def statistics(self) -> Statistics:
        """What the method's means are taken over."""
        return "window"

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.backbone.space

    def stitched(
        self, images: Sequence[Rgb], features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p e"]]
    ) -> list[FeatureMap]:
        """Return the stitched maps of prepared images, given what a window's features are."""
        return self.stitched_in_cells(images, features, self.feature_stride, self.window_bytes)

    def stitched_in_cells(
        self,
        images: Sequence[Rgb],
        features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p e"]],
        cell: int,
        window_bytes: Callable[[Size], int],
    ) -> list[FeatureMap]:
        """Return the stitched maps of prepared images on a grid of one's own.

        Statistics of the image need all its windows in one batch, and no other's: the memory budget has no
        say then, as in the code that does so.

        Args:
            cell: side in pixels of a cell of what `features` gives.
            window_bytes: working memory of one window of a size in pixels.
        """
        alone = self.statistics == "image"
        groups = [[image] for image in images] if alone else [list(images)]
        return [
            one
            for group in groups
            for one in slide_windows(
                group,
                features,
                patch=cell,
                crop=self.crop,
                stride=self.stride,
                window_bytes=window_bytes,
                memory_budget=sys.maxsize if alone else self.memory_budget,
            )
        ]

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` at the size the windows need, on the backbone's device."""
        return resize(image.to(self.backbone.device), self._legal(image_size(image)))

    def _legal(self, size: Size) -> Size:
        return window_size(
            size,
            size_divisor=self.size_divisor,
            crop=self.crop,
            stride=self.stride,
            size_rule=self.size_rule,
        )

    def encoding_bytes(self, size: Size, budget: int) -> int:
        """Return the bytes that the features of an image of `size` pixels take under a memory budget.

        The image legal and in windows, the widest point of a batch of these, the stitched map with what is
        made of it, and the blocks in which that is done. Held against measured peaks, not derived.
        """
        legal = self._legal(size)
        side = max(legal) if self.crop is None else self.crop
        window = Size(min(side, legal.height), min(side, legal.width))
        grid = Size(*(length // self.feature_stride for length in legal))
        step = side if self.crop is None else self.stride
        count = math.prod(1 + -(-max(0, a - side) // step) for a in legal)
        each = self.window_bytes(window) + 24 * window.height * window.width
        batch = count if self.statistics == "image" else min(count, max(1, budget // 4 // each))
        cells = grid.height * grid.width
        summed = 8 * cells * self.backbone.width
        maps = 12 * cells * (self.backbone.width + max(self.backbone.width, _LANGUAGE))
        blocks = min(3 * (budget // 16), 12 * cells**2) + min(budget // 4, 4 * 4096 * cells)
        return 12 * legal.height * legal.width + max(2 * batch * each + summed, maps + blocks)

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window of `size` pixels."""
        return max(window_bytes(backbone, size) for backbone in self.backbones)
