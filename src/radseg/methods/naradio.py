"""NARADIO (RADSeg Table 5): NACLIP's neighbour-aware attention on RADIO, after RayFronts (2504.06994)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.last_block import Tail, neighbour_block
from radseg.methods.shared.on_radio import RadioMethod
from radseg.methods.shared.windowed import grid_of


@dataclass(frozen=True)
class NARADIO(RadioMethod):
    """Patches attend to what is like them and near them: softmax(KKᵀ/√k + ω)V in the last block.

    NACLIP Eq. 5 (arXiv 2404.08181) with residual and MLP kept, as RayFronts does; ω is zero for CLS and
    register tokens and built for the grid of every window. No code of the paper's version is public: σ is
    RayFronts' [inferred], and so is that windows are stitched as features (methods spec 9.2).

    Attributes:
        sigma: of the neighbourhood in patches; None leaves ω out.
        tail: what follows the attention.
    """

    sigma: float | None = 7.0
    tail: Tail = "full"

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the patches after the neighbour-aware last block."""
        grid = grid_of(crops, self.radio.patch)
        last = neighbour_block(self.radio, grid, sigma=self.sigma, tail=self.tail)
        return self.radio.encode(crops, last).patches
