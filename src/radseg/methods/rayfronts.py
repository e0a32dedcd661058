"""The image encoder of RayFronts (arXiv 2504.06994): neighbour-aware RADIO, the whole image as one window."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.last_block import KeyKeyBlock, neighbour_block
from radseg.methods.shared.on_radio import RadioMethod
from radseg.methods.shared.windowed import grid_of
from radseg.methods.shared.windows import GridOrder
from radseg.modes import InputValues
from radseg.types import Size


@dataclass(frozen=True)
class RayFronts(RadioMethod):
    """Key-key attention with neighbours of σ = 7 patches, residual and MLP kept; the CLS head aligns patches.

    Differs from the published code, which takes the window's grid as (width, height), so that on images that
    are not square patches favour others than their neighbours; `grid_order="transposed"` does as it does.
    Differs from it before July 2026 (commit 5efcfb7) too: it gave RADIO images that were not normalised, as
    `input_values="raw"` does.

    Attributes:
        crop: None as published; RADSeg's tables ran it in windows of 336.
        sigma: of the neighbourhood in patches.
        grid_order: "rows" is right; "transposed" is as published.
        input_values: "raw" leaves out RADIO's normalisation of the image.
    """

    crop: int | None = None
    sigma: float = 7.0
    grid_order: GridOrder = "rows"
    input_values: InputValues = "normalised"

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the patches after the neighbour-aware last block."""
        if self.input_values == "raw":
            crops = self.radio.conditioner.inverse(crops)
        return self.radio.encode(crops, self.last_block(grid_of(crops, self.radio.patch))).patches

    def last_block(self, grid: Size) -> KeyKeyBlock:
        """Return the last block of windows of this patch grid."""
        if self.grid_order == "transposed":
            grid = Size(grid.width, grid.height)
        return neighbour_block(self.radio, grid, sigma=self.sigma)
