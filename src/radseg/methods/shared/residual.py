"""What ResCLIP and ResRADIO share: the two runs of the last block (arXiv 2411.15851). No method by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.methods.shared.last_block import Tail, complete_block
from radseg.nn.vit import VisionTransformer
from radseg.ops.attention import mean_attention, neighbour_bias, softmax_attention
from radseg.ops.feedback import SIGMA, Residuals, Rules, inner_blocks, label_affinity
from radseg.types import Size

AffinityDtype = Literal["network", "float16"]


@dataclass(frozen=True)
class ResidualAttention:
    """RCS and SFR around NACLIP's attention.

    RCS: the attention is gain·((1 − share)·softmax(KKᵀ/√k + ω) + share·mean of the inner blocks' maps).
    SFR: what comes out is labelled, and the block runs again with the logits
    feedback_gain·((1 − feedback_share)·KKᵀ/√k + feedback_share·affinity) + ω.
    CLS and register tokens take part without ω and affinity.

    Attributes:
        sigma: of ω in patches.
        residuals: the numbers above, and the threshold of the labelling.
        inner: blocks from 1 whose maps RCS uses; None takes `inner_blocks`.
        rules: see `label_affinity`.
        tail: what follows the attention.
        affinity_sigma: of the smoothing in `label_affinity`, in patches.
        affinity_dtype: what the affinity is rounded to; ResCLIP's code has float16 whatever the network.
    """

    sigma: float
    residuals: Residuals
    inner: tuple[int, ...] | None
    rules: Rules
    tail: Tail
    affinity_sigma: float = SIGMA
    affinity_dtype: AffinityDtype = "network"

    def __call__(
        self,
        vit: VisionTransformer,
        pixels: Float[Tensor, "n 3 H W"],
        label: Callable[[Float[Tensor, "n t d"]], list[Int[Tensor, "h w"]]],
    ) -> Float[Tensor, "n t d"]:
        """Return the tokens after the second run.

        Args:
            pixels: as the transformer takes them.
            label: tokens after the first run to labels of every window's patches.
        """
        numbers, inner = self.residuals, self.inner or inner_blocks(len(vit.blocks))
        looks = []
        for number, (block, tokens) in enumerate(vit.steps(pixels), start=1):
            queries, keys, values = block.attention.project(block.norm1(tokens))
            if number in inner:
                looks.append((queries, keys))
        # What the loop leaves is the last block and its tokens.
        crossed = mean_attention(looks, values)
        grid = Size(pixels.shape[-2] // vit.patch, pixels.shape[-1] // vit.patch)
        prefix = tokens.shape[1] - grid.height * grid.width
        bias = neighbour_bias(grid, sigma=self.sigma, prefix=prefix, device=tokens.device)

        def run(logits: Float[Tensor, "*n t t"], gain: float) -> Float[Tensor, "n t d"]:
            own = softmax_attention(gain * keys, keys, values, bias=logits)
            mixed = numbers.gain * ((1 - numbers.share) * own + numbers.share * crossed)
            return complete_block(block, tokens, block.attention.merge(mixed), self.tail)

        labels = label(run(bias, 1.0))
        affinities = [label_affinity(one, sigma=self.affinity_sigma, rules=self.rules) for one in labels]
        affinity = torch.stack(affinities)
        if self.affinity_dtype == "float16":
            affinity = affinity.half().to(bias)
        extra = F.pad(affinity, (prefix, 0, prefix, 0))[:, None]
        share = numbers.feedback_gain * numbers.feedback_share
        return run(bias + share * extra, numbers.feedback_gain * (1 - numbers.feedback_share))
