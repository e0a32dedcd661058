"""What the methods on RADIO share: windows, stitching in its own space, alignment with language last."""

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
from radseg.models.radio import Radio
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention
from radseg.types import FeatureMap, LanguageFeatures, Rgb, Size


@dataclass(frozen=True)
class RadioWindows:
    """The harness in which the paper compares methods on RADIO (RADSeg Table 5).

    Attributes:
        radio: the backbone with its language adaptor.
        crop: window side in pixels, None for the whole image as one window.
        stride: step between windows in pixels.
        size_rule: see `SizeRule`.
        aggregate: what is done with the stitched map, such as SCGA; None leaves it.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
    """

    radio: Radio
    crop: int | None = 336
    stride: int = 224
    size_rule: SizeRule = "patch"
    aggregate: Callable[[FeatureMap], FeatureMap] | None = None
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def __post_init__(self) -> None:
        require_windows(quantum=self.radio.patch, crop=self.crop, stride=self.stride)

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.radio.space

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window of `size` pixels."""
        return window_bytes(self.radio, size)

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` at the size the windows need, on the backbone's device."""
        return fit_windows(
            image.to(self.radio.device),
            quantum=self.radio.patch,
            crop=self.crop,
            stride=self.stride,
            size_rule=self.size_rule,
        )

    def stitched(
        self, images: Sequence[Rgb], features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p d"]]
    ) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images, given what a window's features are."""
        maps = slide_windows(
            images,
            features,
            patch=self.radio.patch,
            crop=self.crop,
            stride=self.stride,
            window_bytes=self.window_bytes,
            memory_budget=self.memory_budget,
        )
        return maps if self.aggregate is None else [self.aggregate(m) for m in maps]

    def align(self, features: FeatureMap) -> Float[Tensor, "e h w"]:
        """Return the map in language space: the CLS adaptor applied to every patch (RADSeg §3.2)."""
        tokens = features.flatten(1).mT.to(self.radio.dtype)
        # Blocks of patches: the adaptor's hidden layer may use an eighth of the budget.
        rows = max(1, self.memory_budget // 8 // (2048 * tokens.element_size()))
        aligned = torch.cat([self.radio.to_language(part) for part in tokens.split(rows)])
        return aligned.float().mT.unflatten(1, features.shape[1:])


@dataclass(frozen=True)
class RadioMethod(RadioWindows):
    """Plain RADIO; a method is a subclass that says what else a window's features are."""

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the features of equal-size windows, to be stitched: here RADIO's own patches."""
        return self.radio.encode(crops).patches

    @torch.inference_mode()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        maps = self.encode_backbone([self.prepare(image) for image in images])
        return [LanguageFeatures(self.align(m), self.space) for m in maps]

    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images."""
        return self.stitched(images, self.window_features)


Tail = Literal["full", "reduced"]
"""What follows an attention put in place of a block's own: "full" adds residual and MLP as the block does;
"reduced" gives the attention's (scaled) output alone, as the methods on CLIP do (ClearCLIP, NACLIP)."""


def finish_block(
    block: Block, tokens: Float[Tensor, "n t d"], attended: Float[Tensor, "n t d"], tail: Tail
) -> Float[Tensor, "n t d"]:
    """Return what leaves a block whose attention over `tokens` gave `attended`, projection included."""
    if tail == "reduced":
        return block.add_attention(torch.zeros_like(tokens), attended)
    return block.add_mlp(block.add_attention(tokens, attended))


@dataclass(frozen=True, eq=False)
class KeyKeyBlock:
    """A last block whose tokens attend by the likeness of their keys, softmax(KKᵀ/√k + bias)V.

    Attributes:
        bias: added to the logits of every head; see `neighbour_bias`.
        tail: what follows the attention.
    """

    bias: Float[Tensor, "t t"] | None = None
    tail: Tail = "full"

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block."""
        _, keys, values = block.attention.project(block.norm1(tokens))
        attended = block.attention.merge(key_key_attention(keys, values, bias=self.bias))
        return finish_block(block, tokens, attended, self.tail)
