"""Talk2DINO (arXiv 2411.19331): DINOv2's own patches, and words brought to them by a trained map.

The image side is untouched; what is trained, on COCO 2014 captions, is the map of the text side
(`models/mapped_words.py`). So this method is not training-free, though papers list it with those that are.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.windowed import WindowedEncoder
from radseg.models.image_tower import ImageTower
from radseg.models.mapped_words import TALK2DINO


@dataclass(frozen=True)
class Talk2DINO(WindowedEncoder):
    """Every patch is DINOv2's token after the final norm; words come to its space.

    Differs from the published code, which averages sigmoids of cosines over windows, and stretches windows
    with aligned corners: monotone in the cosine, and near linear over its range. It squeezes smaller windows
    to 448 × 448; here they keep their shape.
    """

    backbone: ImageTower
    crop: int | None = 448
    stride: int = 224

    @property
    def space(self) -> str:
        """Name of the space the trained map lands in."""
        return TALK2DINO

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the features of every window."""
        return self.backbone.normalise(self.backbone.encode(crops).patches)
