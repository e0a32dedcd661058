"""NACLIP (arXiv 2404.08181): key-key attention with a bonus for neighbours, nothing else in the block."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.methods.windowed import WindowedEncoder, grid_of
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention, neighbour_bias
from radseg.types import Size


@dataclass(frozen=True)
class NeighbourBlock:
    """O(softmax(KKᵀ/√k + ω)V), ω a Gaussian of the distance on the grid; no residual, no MLP (NACLIP §3).

    Attributes:
        grid: of the window; CLS takes part without a bonus.
        sigma: of the Gaussian, in patches.
    """

    grid: Size
    sigma: float

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the attention's output."""
        _, keys, values = block.attention.project(block.norm1(tokens))
        prefix = tokens.shape[1] - self.grid.height * self.grid.width
        bias = neighbour_bias(self.grid, sigma=self.sigma, prefix=prefix, device=tokens.device)
        return block.attention.merge(key_key_attention(keys, values, bias=bias))


@dataclass(frozen=True)
class NACLIP(WindowedEncoder):
    """CLIP with neighbour-aware attention in its last block.

    Attributes:
        sigma: of the neighbourhood, in patches; 5 in the paper.
    """

    sigma: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma <= 0:
            raise InputError(f"sigma is {self.sigma}; it must be above 0.")

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        last = NeighbourBlock(grid_of(crops, self.backbone.patch), self.sigma)
        return self.backbone.to_language(self.backbone.encode(crops, last).patches)
