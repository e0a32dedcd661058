"""NACLIP (arXiv 2404.08181): key-key attention with a bonus for neighbours, nothing else in the block."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.methods.shared.last_block import KeyKeyBlock, neighbour_block
from radseg.methods.shared.windowed import WindowedEncoder, grid_of
from radseg.types import Size


@dataclass(frozen=True)
class NACLIP(WindowedEncoder):
    """CLIP whose last block is O(softmax(KKᵀ/√k + ω)V), ω a Gaussian of the distance on the grid (NACLIP §3).

    CLS takes part without a bonus; neither residual nor MLP.

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
        last = self.last_block(grid_of(crops, self.backbone.patch))
        return self.backbone.to_language(self.backbone.encode(crops, last).patches)

    def last_block(self, grid: Size) -> KeyKeyBlock:
        """Return the last block of windows of this patch grid."""
        return neighbour_block(self.backbone, grid, sigma=self.sigma, tail="reduced")
