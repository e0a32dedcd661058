"""What refinement takes and gives, and the protocol by which a Segmenter calls it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jaxtyping import Float, Integer
from torch import Tensor

from radseg.errors import InputError
from radseg.ops.resize import image_size
from radseg.types import Rgb, Size

if TYPE_CHECKING:
    from radseg.refine.radio_sam import Prompted


@dataclass(frozen=True, eq=False)
class CoarseResult:
    """The decision on one image before refinement.

    Attributes:
        probabilities: of each name on the patch grid; zero where a name was dropped.
        labels: at the image's size; 0 for none, names from 1.
        confidence: probability of each pixel's own label.
        none: probability on the patch grid that no name fits; None where every pixel gets a name.
        threshold: pixels whose best name is less probable than this are 0.
        regions: logits of the masks that the method used; see LanguageFeatures.
    """

    probabilities: Float[Tensor, "c h w"]
    labels: Integer[Tensor, "H W"]
    confidence: Float[Tensor, "H W"]
    none: Float[Tensor, "1 h w"] | None = None
    threshold: float = 0.0
    regions: Float[Tensor, "r k k"] | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != self.confidence.shape:
            raise InputError(
                f"Labels are {image_size(self.labels)}, their confidence {image_size(self.confidence)}; "
                "both must have the image's size."
            )

    @property
    def size(self) -> Size:
        """Height and width of the label map in pixels."""
        return image_size(self.labels)


@dataclass(frozen=True, eq=False)
class Refinement:
    """The decision on one image after refinement.

    Attributes:
        labels: 0 for none, names from 1; same dtype as the coarse ones.
        confidence: in [0, 1], of each pixel's label.
        regions: how many regions were tried.
        accepted: how many of them gave a mask.
        seen: what SAM's decoder had of the image, for prompting it again; None where it was not asked.
    """

    labels: Integer[Tensor, "H W"]
    confidence: Float[Tensor, "H W"]
    regions: int
    accepted: int
    seen: "Prompted | None" = None


class CosineRefiner(Protocol):
    """Anything that sharpens the cosines of an image's pixels before names compete for them."""

    @property
    def pixel_bytes(self) -> int:
        """Memory it takes for each pixel, beside the cosines."""

    def sharpen(self, cosines: Float[Tensor, "r H W"], image: Rgb) -> Float[Tensor, "r H W"]:
        """Return the cosines of every row; the image need not have their size, only their view."""


class Refiner(Protocol):
    """Anything that sharpens coarse decisions with another look at the images."""

    def refine(self, images: Sequence[Rgb], coarse: Sequence[CoarseResult]) -> list[Refinement]:
        """Return one refinement per image; no result depends on the other images.

        An image need not have the size of its label map, only its view.
        """
