"""Regions of an image as CorrCLIP asks SAM 2 for them: few points, one mask each."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.models.sam2 import Sam2
from radseg.ops.inference import inference
from radseg.ops.region_masks import boxes_of, stability, suppress
from radseg.types import Rgb


@dataclass(frozen=True)
class Sam2Regions:
    """Masks of a grid of points that SAM 2 is sure enough of.

    Attributes:
        sam: makes the masks.
        points: masks are asked for on a grid of points × points; 8 in CorrCLIP.
        min_iou: masks whose predicted IoU is not above are dropped; 0.4 in CorrCLIP.
        min_stability: masks whose stability is below are dropped; 0.4 in CorrCLIP.
        box_iou: of two masks whose boxes overlap by more, the one of less predicted IoU is dropped; 0.7, the
            default of SAM 2's own generator.
    """

    sam: Sam2
    points: int = 8
    min_iou: float = 0.4
    min_stability: float = 0.4
    box_iou: float = 0.7

    def __post_init__(self) -> None:
        if self.points < 1:
            raise InputError(f"points is {self.points}; at least 1 is needed.")

    @inference()
    def __call__(self, image: Rgb) -> Float[Tensor, "r k k"]:
        """Return the logits of the masks on SAM's mask grid, of the image squeezed to a square."""
        found = self.sam.masks_of_grid(image, side=self.points, single=True)
        masks, scores = found.logits[:, 0], found.scores[:, 0]
        good = (scores > self.min_iou) & (stability(masks) >= self.min_stability)
        good &= (masks > 0).flatten(1).any(dim=1)
        masks, scores = masks[good], scores[good]
        return masks[suppress(boxes_of(masks > 0), scores, iou=self.box_iou)]
