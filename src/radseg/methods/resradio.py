"""ResRADIO (RADSeg Table 5): ResCLIP's two residual attentions (arXiv 2411.15851) on RADIO. Text-dependent.

No code of it is public. Inferred (methods spec 9.2): residual and MLP are kept, as in NARADIO; PAMR does not
refine the first segmentation, as the printed latency leaves no time for it; the numbers are ResCLIP's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.methods.base import window_bytes
from radseg.methods.on_radio import RadioWindows, Tail, finish_block
from radseg.ops.attention import mean_attention, neighbour_bias, softmax_attention
from radseg.ops.cosine import row_cosine
from radseg.ops.feedback import PUBLISHED, Residuals, Rules, inner_blocks, label_affinity, patch_labels
from radseg.ops.resize import image_size
from radseg.types import Rgb, Size, TextEmbeddings

RESIDUALS = replace(PUBLISHED["ade20k"], gain=1.0)


@dataclass(frozen=True)
class ResRADIO(RadioWindows):
    """A Scorer: patches attend as they do in NARADIO and in inner blocks, then also by their first labels.

    RCS: the attention is gain·((1 − share)·softmax(KKᵀ/√k + ω) + share·mean of the inner blocks' maps).
    SFR: its result is labelled with the words, and the last block runs again with the logits
    feedback_gain·((1 − feedback_share)·KKᵀ/√k + feedback_share·affinity) + ω.

    Differs from ResCLIP in a gain of 1: its 2 scales an output that a norm follows; here it would double the
    attention against the residual that RADIO keeps.

    Attributes:
        sigma: of ω in patches; RayFronts'.
        residuals: the numbers of RCS and SFR.
        inner: blocks from 1 whose maps RCS uses; None takes the middle half-quarter as ResCLIP does.
        temperature: multiplies the cosines with the words in the first labelling.
        tail: what follows the attention.
        rules: see `label_affinity`.
    """

    sigma: float = 7.0
    residuals: Residuals = RESIDUALS
    inner: tuple[int, ...] | None = None
    temperature: float = 100.0
    tail: Tail = "full"
    rules: Rules = "mended"

    @torch.inference_mode()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
        """Return per image the cosine of every text row on the patch grid."""
        text.require_space(self.space)
        rows = text.values.to(self.radio.device)
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, partial(self.window_features, rows=rows))
        return [row_cosine(self.align(one), rows) for one in maps]

    def window_features(
        self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]
    ) -> Float[Tensor, "n p d"]:
        """Return the patches after the second run of the last block."""
        radio, numbers = self.radio, self.residuals
        inner = self.inner or inner_blocks(len(radio.vit.blocks))
        looks = []
        for number, (block, tokens) in enumerate(radio.vit.steps(radio.pixels(crops)), start=1):
            queries, keys, values = block.attention.project(block.norm1(tokens))
            if number in inner:
                looks.append((queries, keys))
        # What the loop leaves is the last block and its tokens.
        crossed = mean_attention(looks, values)
        grid = Size(*(side // radio.patch for side in image_size(crops)))
        bias = neighbour_bias(grid, sigma=self.sigma, prefix=radio.prefix_tokens, device=radio.device)

        def run(logits: Float[Tensor, "*n t t"], gain: float) -> Float[Tensor, "n p d"]:
            own = softmax_attention(gain * keys, keys, values, bias=logits)
            mixed = numbers.gain * ((1 - numbers.share) * own + numbers.share * crossed)
            return radio.patches_of(finish_block(block, tokens, block.attention.merge(mixed), self.tail))

        first = radio.to_language(run(bias, 1.0))
        affinity = torch.stack([self._affinity(window, rows, grid) for window in first])
        share = numbers.feedback_gain * numbers.feedback_share
        return run(bias + share * affinity[:, None], numbers.feedback_gain * (1 - numbers.feedback_share))

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window: the block's, and logits and affinity of all pairs."""
        patches = (size.height // self.radio.patch) * (size.width // self.radio.patch)
        return window_bytes(self.radio, size) + 8 * 4 * patches**2

    def _affinity(
        self, features: Float[Tensor, "p e"], rows: Float[Tensor, "r e"], grid: Size
    ) -> Float[Tensor, "t t"]:
        """Return how much the patches of one window belong together by their first labels."""
        cosines = row_cosine(features.mT.unflatten(1, tuple(grid)), rows)
        labels = patch_labels(
            cosines,
            patch=self.radio.patch,
            temperature=self.temperature,
            threshold=self.residuals.threshold,
        )
        prefix = self.radio.prefix_tokens
        return torch.nn.functional.pad(label_affinity(labels, rules=self.rules), (prefix, 0, prefix, 0))
