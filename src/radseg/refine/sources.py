"""Where SAM's decoder gets its image features from: RADIO's "sam" adaptor, or SAM's own encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from radseg.methods.base import slide
from radseg.models.radio import Radio
from radseg.models.sam_encoder import SamEncoder
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.nn.vit import LastBlock
from radseg.types import FeatureMap, Rgb

TEACHER = "sam"
"""RADIO's adaptor that imitates SAM's encoder."""


class FeatureSource(Protocol):
    """A network that sees what SAM's encoder sees."""

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""

    @property
    def device(self) -> torch.device:
        """Where images must be."""

    def encode(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return each image's features as SAM's neck reads them; sides are multiples of the patch.

        A map covers its image or SAM's whole frame, and no map depends on the other images.
        """


@dataclass(frozen=True)
class RadioFeatures:
    """RADSeg+ (arXiv 2511.19704 §3.5): the whole image through RADIO and its "sam" adaptor.

    Attributes:
        radio: the backbone, loaded with its "sam" adaptor.
        last_block: SelfCorrelatingAttention, as in the first pass; the paper re-encodes with it.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
    """

    radio: Radio
    last_block: LastBlock
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self.radio.patch

    @property
    def device(self) -> torch.device:
        """Where the backbone is."""
        return self.radio.device

    def encode(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return each image's features in SAM's space, encoded whole."""
        return slide(
            self.radio,
            images,
            crop=None,
            stride=self.radio.patch,
            last_block=self.last_block,
            map_patches=lambda patches: self.radio.to_teacher(TEACHER, patches),
            memory_budget=self.memory_budget,
        )


@dataclass(frozen=True)
class SamFeatures:
    """Trident (arXiv 2411.09219 §3.4): SAM's own encoder."""

    encoder: SamEncoder

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self.encoder.patch

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return self.encoder.device

    def encode(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return each image's features of the whole frame, padding encoded too, as SAM was trained."""
        return [self.encoder.features(image) for image in images]
