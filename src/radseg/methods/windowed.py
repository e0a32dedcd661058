"""What the methods on CLIP share: windows whose unit features are averaged on the patch grid.

Published codes average logits on the pixel canvas. A logit is linear in the unit feature, so averaging unit
features is the same, and they can be kept and asked later. Two things differ, neither with a say in which
name wins in a cell: the cosine divides by the length of the mean, under 1 where windows disagree; and the
Segmenter enlarges cells after the softmax, not window by window before it.
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.methods.base import (
    DEFAULT_MEMORY_BUDGET,
    SizeRule,
    fit_windows,
    require_windows,
    slide_windows,
    window_bytes,
)
from radseg.models.base import Backbone, PatchBackbone
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention, query_query_attention
from radseg.ops.correlation import mean_cosine, unit_rows
from radseg.ops.resize import image_size
from radseg.types import FeatureMap, LanguageFeatures, Rgb, Size

Statistics = Literal["window", "picture"]
"""What a mean is taken over: each window alone, or all of a picture's, as code that batches them does."""


@dataclass(frozen=True)
class WindowedEncoder(ABC):
    """Images to language-aligned features, window by window; a method says what a window's features are.

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
        require_windows(quantum=self.quantum, crop=self.crop, stride=self.stride)

    @abstractmethod
    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window on its grid of `cell`, row by row.

        No window's result may depend on the others, but where `statistics` are the picture's.
        """

    @property
    def backbones(self) -> tuple[PatchBackbone, ...]:
        """The networks that look at a window."""
        return (self.backbone,)

    @property
    def cell(self) -> int:
        """Side in pixels of a cell of the feature map."""
        return self.backbone.patch

    @property
    def quantum(self) -> int:
        """What image sides, crop and stride must be multiples of, in pixels: whole patches of every backbone.

        Differs from published codes, which pad windows with zeros to multiples of 56 and cut afterwards.
        """
        return math.lcm(*(backbone.patch for backbone in self.backbones))

    @property
    def statistics(self) -> Statistics:
        """What the method's means are taken over."""
        return "window"

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.backbone.space

    @torch.inference_mode()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, lambda crops: unit_rows(self.window(crops)))
        return [LanguageFeatures(values, self.space) for values in maps]

    def stitched(
        self, images: Sequence[Rgb], features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p e"]]
    ) -> list[FeatureMap]:
        """Return the stitched maps of prepared images, given what a window's features are.

        Statistics of the picture need all its windows in one batch, and no other's: the memory budget has no
        say then, as in the code that does so.
        """
        alone = self.statistics == "picture"
        groups = [[image] for image in images] if alone else [list(images)]
        return [
            one
            for group in groups
            for one in slide_windows(
                group,
                features,
                patch=self.cell,
                crop=self.crop,
                stride=self.stride,
                window_bytes=self.window_bytes,
                memory_budget=sys.maxsize if alone else self.memory_budget,
            )
        ]

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` at the size the windows need, on the backbone's device."""
        return fit_windows(
            image.to(self.backbone.device),
            quantum=self.quantum,
            crop=self.crop,
            stride=self.stride,
            size_rule=self.size_rule,
        )

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window of `size` pixels."""
        return max(window_bytes(backbone, size) for backbone in self.backbones)


def mean_cosine_over(statistics: Statistics, features: Float[Tensor, "n p d"]) -> Float[Tensor, " n"]:
    """Return per window the mean cosine between its patches, or the mean of that over the batch."""
    each = mean_cosine(features)
    return each if statistics == "window" else each.mean().expand_as(each)


def grid_of(crops: Float[Tensor, "n 3 H W"], patch: int) -> Size:
    """Return the patch grid of a batch of windows."""
    size = image_size(crops)
    return Size(size.height // patch, size.width // patch)


def on_grid(patches: Float[Tensor, "n p d"], grid: Size, target: Size) -> Float[Tensor, "n q d"]:
    """Return patch tokens resampled bilinearly from one grid of the same window to another."""
    if grid == target:
        return patches
    maps = patches.mT.unflatten(-1, tuple(grid))
    resampled = torch.nn.functional.interpolate(maps, tuple(target), mode="bilinear", align_corners=False)
    return resampled.flatten(2).mT


def correlative_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the block with softmax(QQᵀ/√k) + softmax(KKᵀ/√k) for its attention (SCLIP Eq. 4).

    The weights sum to 2 per token. Residual and MLP stay, CLS takes part (methods §13).
    """
    attention = block.attention
    queries, keys, values = attention.project(block.norm1(tokens))
    mixed = query_query_attention(queries, values) + key_key_attention(keys, values)
    return block.add_mlp(block.add_attention(tokens, attention.merge(mixed)))
