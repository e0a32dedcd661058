"""RADSeg (arXiv 2511.19704): language-aligned RADIO patches, sharpened by self-correlation twice."""

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
    slide,
)
from radseg.models.radio import Radio
from radseg.nn.vit import Block, LastBlock
from radseg.ops.correlation import DEFAULT_BLOCK_BYTES, correlation_attention, mean_cosine
from radseg.types import FeatureMap, LanguageFeatures, Rgb


@dataclass(frozen=True)
class SelfCorrelatingAttention:
    """SCRA: the last block's attention, recomputed from the similarity of its own output (RADSeg Eq. 4-6).

    The first pass is the trained attention, projection included. Its output, cut into one chunk of channels
    per head, is compared with itself; the second pass mixes the block's values by softmax(temperature·cosine)
    over similarities that are not negative, and projects again. CLS and register tokens take part (spec 4.3).

    Attributes:
        temperature: multiplies the cosine.
        block_bytes: of similarities alive at once.
    """

    temperature: float = 10.0
    block_bytes: int = DEFAULT_BLOCK_BYTES

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block with the recursive attention in place of its own."""
        return block.add_mlp(block.add_attention(tokens, self.attend(block, block.norm1(tokens))))

    def attend(self, block: Block, normed: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the recursive attention over normalised tokens, before scale, residual and MLP."""
        attention = block.attention
        queries, keys, values = attention.project(normed)
        first = attention.merge(torch.nn.functional.scaled_dot_product_attention(queries, keys, values))
        second = correlation_attention(
            attention.split(first),
            values,
            temperature=self.temperature,
            threshold=0.0,
            block_bytes=self.block_bytes,
        )
        return attention.merge(second)


@dataclass(frozen=True)
class SelfCorrelatingAggregation:
    """SCGA: every patch of the stitched map becomes a mean of the patches similar to it (RADSeg Eq. 7-8).

    "Similar" is a cosine of at least the map's mean cosine. The mean is in the published code, not in the
    paper (spec 4.5).

    Attributes:
        temperature: multiplies the cosine.
        block_bytes: of similarities alive at once.
    """

    temperature: float = 10.0
    block_bytes: int = DEFAULT_BLOCK_BYTES

    def __call__(self, features: FeatureMap) -> FeatureMap:
        """Return the aggregated map."""
        tokens = features.flatten(1).mT.contiguous()
        mixed = correlation_attention(
            tokens,
            tokens,
            temperature=self.temperature,
            threshold=mean_cosine(tokens),
            block_bytes=self.block_bytes,
        )
        return mixed.mT.unflatten(1, features.shape[1:])


@dataclass(frozen=True)
class RADSeg:
    """Images to language-aligned features with RADIO.

    Attributes:
        radio: the backbone with its language adaptor.
        crop: window side in pixels, None for the whole image as one window.
        stride: step between windows in pixels.
        size_rule: "patch" takes the nearest multiples of the patch, so the picture keeps its shape;
            "stride" is the reference's rounding up to the stride, which distorts by up to 25 % (spec 4.1).
        last_block: SelfCorrelatingAttention, or `standard_block` for plain RADIO.
        aggregate: SelfCorrelatingAggregation, or None to leave the stitched map as it is.
        stitch_in: the space in which windows are averaged and aggregated. The paper stitches in "backbone"
            space and aligns last; "language" aligns each window first.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
    """

    radio: Radio
    crop: int | None = 336
    stride: int = 224
    size_rule: SizeRule = "patch"
    last_block: LastBlock = SelfCorrelatingAttention()
    aggregate: Callable[[FeatureMap], FeatureMap] | None = SelfCorrelatingAggregation()
    stitch_in: Literal["backbone", "language"] = "backbone"
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def __post_init__(self) -> None:
        require_windows(quantum=self.radio.patch, crop=self.crop, stride=self.stride)

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.radio.space

    @torch.inference_mode()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        maps = self.encode_backbone([self.prepare(image) for image in images])
        return [LanguageFeatures(self.align(m), self.space) for m in maps]

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` at the size the windows need, on the backbone's device."""
        return fit_windows(
            image.to(self.radio.device),
            quantum=self.radio.patch,
            crop=self.crop,
            stride=self.stride,
            size_rule=self.size_rule,
        )

    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images, in the space of `stitch_in`."""
        maps = slide(
            self.radio,
            images,
            crop=self.crop,
            stride=self.stride,
            last_block=self.last_block,
            map_patches=self.radio.to_language if self.stitch_in == "language" else None,
            memory_budget=self.memory_budget,
        )
        return maps if self.aggregate is None else [self.aggregate(m) for m in maps]

    def align(self, features: FeatureMap) -> Float[Tensor, "e h w"]:
        """Return the map in language space: the CLS adaptor applied to every patch (RADSeg §3.2)."""
        if self.stitch_in == "language":
            return features
        tokens = features.flatten(1).mT.to(self.radio.dtype)
        # Blocks of patches: the adaptor's hidden layer may use an eighth of the budget.
        rows = max(1, self.memory_budget // 8 // (2048 * tokens.element_size()))
        aligned = torch.cat([self.radio.to_language(part) for part in tokens.split(rows)])
        return aligned.float().mT.unflatten(1, features.shape[1:])
