"""MaskCLIP (arXiv 2112.01071): the last block's values instead of its attention."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windowed import WindowedEncoder
from radseg.nn.vit import project_values


@dataclass(frozen=True)
class MaskCLIP(WindowedEncoder):
    """Every patch is the output projection of its own value: y = O(v), no residual, no MLP (§3.1 there)."""

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        return self.backbone.to_language(self.backbone.encode(crops, project_values).patches)
