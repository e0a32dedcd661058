"""RADSeg (arXiv 2511.19704): language-aligned RADIO patches, sharpened by self-correlation twice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.methods.shared.on_radio import RadioMethod
from radseg.nn.vit import Block, LastBlock
from radseg.ops.correlation import DEFAULT_BLOCK_BYTES, correlation_attention, mean_cosine
from radseg.types import FeatureMap


@dataclass(frozen=True)
class SelfCorrelatingAttention:
    """SCRA: the last block's attention, recomputed from the similarity of its own output (RADSeg Eq. 4-6).

    The first pass is the trained attention, projection included. Its output, cut into one chunk of channels
    per head, is compared with itself; the second pass mixes the block's values by softmax(temperature·cosine)
    over similarities that are not negative, and projects again. CLS and register tokens take part (spec 4.3).

    Attributes:
        temperature: multiplies the cosine.
        block_bytes: of similarities alive at once.
        recursions: how often the output is compared with itself and the values mixed anew; 1 in RADSeg. More
            is Table A.5 of the paper. That text says no more than "recursion"; that each turn compares the
            turn before and mixes the trained values again is our reading.
    """

    temperature: float = 10.0
    block_bytes: int = DEFAULT_BLOCK_BYTES
    recursions: int = 1

    def __post_init__(self) -> None:
        if self.recursions < 1:
            raise InputError(
                f"recursions is {self.recursions}; it must be at least 1. "
                "Without recursion the last block is `standard_block`."
            )

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block with the recursive attention in place of its own."""
        return block.add_mlp(block.add_attention(tokens, self.attend(block, block.norm1(tokens))))

    def attend(self, block: Block, normed: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the recursive attention over normalised tokens, before scale, residual and MLP."""
        attention = block.attention
        queries, keys, values = attention.project(normed)
        output = attention.merge(torch.nn.functional.scaled_dot_product_attention(queries, keys, values))
        for _ in range(self.recursions):
            mixed = correlation_attention(
                attention.split(output),
                values,
                temperature=self.temperature,
                threshold=0.0,
                block_bytes=self.block_bytes,
            )
            output = attention.merge(mixed)
        return output


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
class RADSeg(RadioMethod):
    """Images to language-aligned features with RADIO; see RadioMethod for the windows.

    Attributes:
        aggregate: SelfCorrelatingAggregation, or None to leave the stitched map as it is.
        last_block: SelfCorrelatingAttention, or `standard_block` for plain RADIO.
        stitch_in: the space in which windows are averaged and aggregated. The paper stitches in "backbone"
            space and aligns last; "language" aligns each window first.
    """

    aggregate: Callable[[FeatureMap], FeatureMap] | None = SelfCorrelatingAggregation()
    last_block: LastBlock = SelfCorrelatingAttention()
    stitch_in: Literal["backbone", "language"] = "backbone"

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the patches after the last block, in the space of `stitch_in`."""
        patches = self.radio.encode(crops, self.last_block).patches
        return self.radio.to_language(patches) if self.stitch_in == "language" else patches

    @property
    def backbone_space(self) -> str:
        """Name of the space of the stitched maps: that of `stitch_in`."""
        return self.space if self.stitch_in == "language" else super().backbone_space

    def align(self, values: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Return patches in language space."""
        return values if self.stitch_in == "language" else super().align(values)
