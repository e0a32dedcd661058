"""What the methods on RADIO share: windows, stitching in its own space, alignment with language last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.methods.base import align_map
from radseg.methods.shared.windows import Windows
from radseg.models.radio import Radio
from radseg.ops.inference import inference
from radseg.types import FeatureMap, LanguageFeatures, Rgb


@dataclass(frozen=True)
class RadioWindows(Windows):
    """The harness in which the paper compares methods on RADIO (RADSeg Table 5).

    Attributes:
        backbone: RADIO with its language adaptor.
        aggregate: what is done with the stitched map, such as SCGA; None leaves it.
    """

    backbone: Radio
    crop: int | None = 336
    stride: int = 224
    aggregate: Callable[[FeatureMap], FeatureMap] | None = None

    @property
    def radio(self) -> Radio:
        """The backbone."""
        return self.backbone

    def stitched(
        self, images: Sequence[Rgb], features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p d"]]
    ) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images, given what a window's features are."""
        maps = super().stitched(images, features)
        return maps if self.aggregate is None else [self.aggregate(m) for m in maps]

    @property
    def backbone_space(self) -> str:
        """Name of the space of the stitched maps."""
        return f"backbone:{self.radio.config.version}"

    def align(self, values: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Return patches in language space, in float32: the CLS adaptor applied to each (RADSeg §3.2)."""
        tokens = values.to(self.radio.device, self.radio.dtype)
        # Blocks of patches: the adaptor's hidden layer may use an eighth of the budget.
        rows = max(1, self.memory_budget // 8 // (2048 * tokens.element_size()))
        return torch.cat([self.radio.to_language(part) for part in tokens.split(rows)]).float()


@dataclass(frozen=True)
class RadioMethod(RadioWindows):
    """Plain RADIO; a method is a subclass that says what else a window's features are."""

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the features of equal-size windows, to be stitched: here RADIO's own patches."""
        return self.radio.encode(crops).patches

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        maps = self.encode_backbone(images)
        return [LanguageFeatures(align_map(self.align, one), self.space) for one in maps]

    @inference()
    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return the stitched and aggregated map of every image."""
        return self.stitched([self.prepare(image) for image in images], self.window_features)
