"""What the methods on CLIP share: windows whose unit features are averaged on the patch grid.

Published codes average logits on the pixel canvas. A logit is linear in the unit feature, so averaging unit
features is the same, and they can be kept and queried later. Two things differ, neither with a say in which
name wins in a cell: the cosine divides by the length of the mean, under 1 where windows disagree; and the
Segmenter enlarges cells after the softmax, not window by window before it.

So the published order aligns every window before it averages: maps in 3D average these aligned features too,
and no WindowedEncoder is a BackboneEncoder but Trident, which stitches in CLIP's own width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windows import Statistics, Windows
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention, query_query_attention
from radseg.ops.correlation import mean_cosine, unit_rows
from radseg.ops.inference import inference
from radseg.ops.resize import image_size
from radseg.types import LanguageFeatures, Rgb, Size


@dataclass(frozen=True)
class WindowedEncoder(Windows, ABC):
    """Images to language-aligned features, window by window; a method says what a window's features are."""

    @abstractmethod
    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window on its grid of `feature_stride`, row by row.

        No window's result may depend on the others, but where `statistics` are the image's.
        """

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, lambda crops: unit_rows(self.window(crops)))
        return [LanguageFeatures(values, self.space) for values in maps]


@dataclass(frozen=True)
class PromptedWindows(Windows, ABC):
    """Images and prompts to language-aligned features, window by window: a text-dependent method."""

    @abstractmethod
    def window(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window on its grid; as `WindowedEncoder.window`."""


def mean_cosine_over(statistics: Statistics, features: Float[Tensor, "n p d"]) -> Float[Tensor, " n"]:
    """Return per window the mean cosine between its patches, or the mean of that over the batch."""
    each = mean_cosine(features)
    return each if statistics == "window" else each.mean().expand_as(each)


def grid_of(crops: Float[Tensor, "n 3 H W"], patch: int) -> Size:
    """Return the patch grid of a batch of windows."""
    size = image_size(crops)
    return Size(size.height // patch, size.width // patch)


def whole_cells(crops: Float[Tensor, "n 3 H W"], cell: int) -> Float[Tensor, "n 3 h w"]:
    """Return the top left part of windows that is whole cells of that side in pixels, all that is seen."""
    grid = grid_of(crops, cell)
    return crops[..., : grid.height * cell, : grid.width * cell]


def on_grid(patches: Float[Tensor, "n p d"], grid: Size, target: Size) -> Float[Tensor, "n q d"]:
    """Return patch tokens resampled bilinearly from one grid of the same window to another."""
    if grid == target:
        return patches
    maps = patches.mT.unflatten(-1, tuple(grid))
    resampled = torch.nn.functional.interpolate(maps, tuple(target), mode="bilinear", align_corners=False)
    return resampled.flatten(2).mT


def correlative_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the block with softmax(QQᵀ/√k) + softmax(KKᵀ/√k) for its attention (SCLIP Eq. 4).

    The weights sum to 2 per token. Residual and MLP stay, CLS takes part (methods spec 13).
    """
    attended = block.attention.merge(correlative_attention(block, tokens))
    return block.add_mlp(block.add_attention(tokens, attended))


def correlative_attention(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n m t k"]:
    """Return the mixed values of `correlative_block` per head, before the output projection."""
    queries, keys, values = block.attention.project(block.norm1(tokens))
    return query_query_attention(queries, values) + key_key_attention(keys, values)
