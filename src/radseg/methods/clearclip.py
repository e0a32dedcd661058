"""ClearCLIP (arXiv 2407.12442): query-query attention, and neither residual nor MLP in the last block."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windowed import WindowedEncoder
from radseg.nn.vit import Block
from radseg.ops.attention import query_query_attention


def clear_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return O(softmax(QQᵀ/√k)V): what the residual carries is noise to the patches (ClearCLIP §3)."""
    queries, _, values = block.attention.project(block.norm1(tokens))
    return block.attention.merge(query_query_attention(queries, values))


@dataclass(frozen=True)
class ClearCLIP(WindowedEncoder):
    """CLIP whose last block is its query-query attention alone; CLS takes part."""

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        return self.backbone.to_language(self.backbone.encode(crops, clear_block).patches)
