"""Trident's refinement (arXiv 2411.09219 §3.4): as RADSeg+ after it, on SAM's own image features."""

from collections.abc import Sequence
from dataclasses import dataclass

from radseg.models.sam_encoder import SamEncoder
from radseg.nn.vit import LastBlock, standard_block
from radseg.refine.radio_sam import RadioSam
from radseg.types import FeatureMap, Rgb


@dataclass(frozen=True)
class OwnSam(RadioSam):
    """Refiner with a whole SAM: everything after the features is `RadioSam`.

    Attributes:
        radio: SAM's image encoder, in the place of RADIO; it has a patch, a device and features as RADIO has.
        iou_threshold: 0.8 in Trident's configuration.
    """

    radio: SamEncoder  # type: ignore[assignment]
    last_block: LastBlock = standard_block
    iou_threshold: float = 0.8

    def encode(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return each image's features of the whole frame, padding encoded too, as SAM was trained."""
        return [self.radio.features(image) for image in images]
