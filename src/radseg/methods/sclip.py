"""SCLIP (arXiv 2312.01597): tokens attend to tokens with like queries and to tokens with like keys."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windowed import WindowedEncoder, correlative_block


@dataclass(frozen=True)
class SCLIP(WindowedEncoder):
    """CLIP with correlative self-attention in its last block."""

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        return self.backbone.to_language(self.backbone.encode(crops, correlative_block).patches)
