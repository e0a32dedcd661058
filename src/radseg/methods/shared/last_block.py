"""Attentions in place of the last block's own that several methods share, and what follows. No method."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.models.base import PatchBackbone
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention, neighbour_bias
from radseg.types import Size

Tail = Literal["full", "reduced"]
"""What follows an attention put in place of a block's own: "full" adds residual and MLP as the block does;
"reduced" gives the attention's (scaled) output alone, as the methods on CLIP do (ClearCLIP, NACLIP)."""


def complete_block(
    block: Block, tokens: Float[Tensor, "n t d"], attended: Float[Tensor, "n t d"], tail: Tail
) -> Float[Tensor, "n t d"]:
    """Return what leaves a block whose attention over `tokens` gave `attended`, projection included."""
    if tail == "reduced":
        return block.add_attention(torch.zeros_like(tokens), attended)
    return block.add_mlp(block.add_attention(tokens, attended))


@dataclass(frozen=True, eq=False)
class KeyKeyBlock:
    """A last block whose tokens attend by the similarity of their keys, softmax(KKᵀ/√k + bias)V.

    Attributes:
        bias: added to the logits of every head; see `neighbour_bias`.
        tail: what follows the attention.
    """

    bias: Float[Tensor, "t t"] | None = None
    tail: Tail = "full"

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block."""
        attended = block.attention.merge(self.mix(block, tokens))
        return complete_block(block, tokens, attended, self.tail)

    def mix(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n m t k"]:
        """Return the mixed values per head, before the output projection."""
        _, keys, values = block.attention.project(block.norm1(tokens))
        return key_key_attention(keys, values, bias=self.bias)


def neighbour_block(
    backbone: PatchBackbone, grid: Size, *, sigma: float | None, tail: Tail = "full"
) -> KeyKeyBlock:
    """Return the key-key block with NACLIP's bonus for neighbours (arXiv 2404.08181 §3); CLS has none.

    Args:
        grid: of the window, in patches.
        sigma: of the Gaussian in patches; None leaves the bonus out.
    """
    if sigma is None:
        return KeyKeyBlock(tail=tail)
    prefix, device = backbone.prefix_tokens, backbone.device
    return KeyKeyBlock(neighbour_bias(grid, sigma=sigma, prefix=prefix, device=device), tail)
