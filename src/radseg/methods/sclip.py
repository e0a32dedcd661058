"""SCLIP (arXiv 2312.01597): tokens attend to tokens with like queries and to tokens with like keys."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.windowed import WindowedEncoder
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention, query_query_attention


def correlative_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the block with softmax(QQᵀ/√k) + softmax(KKᵀ/√k) for its attention (SCLIP Eq. 4).

    The weights sum to 2 per token. Residual and MLP stay, CLS takes part (methods §13).
    """
    attention = block.attention
    queries, keys, values = attention.project(block.norm1(tokens))
    mixed = query_query_attention(queries, values) + key_key_attention(keys, values)
    return block.add_mlp(block.add_attention(tokens, attention.merge(mixed)))


@dataclass(frozen=True)
class SCLIP(WindowedEncoder):
    """CLIP with correlative self-attention in its last block."""

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        return self.backbone.to_language(self.backbone.encode(crops, correlative_block).patches)
