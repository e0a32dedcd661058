"""What a set of rules decides around the two networks: which regions, which prompts, who wins a pixel.

Two sets exist: `Corrected`, the default, and `Reference`, which reproduces the published code.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.nn import functional as F

from radseg.models.sam import SamDecoder
from radseg.ops.regions import Regions
from radseg.refine.base import CoarseResult
from radseg.types import Rgb, Size
from radseg.weights.config import SamSizes


@dataclass(frozen=True, eq=False)
class Proposals:
    """The regions of one image, names in order, raster order of the first pixel inside a name.

    Attributes:
        classes: index of each region's name, from 0, non-decreasing.
        boxes: x0, y0, x1, y1, both ends included, in pixels of `ids`.
        points: x, y of the most confident pixel, in pixels of `ids`.
        ids: for each pixel the number of its region from 1, 0 for none; the size is up to the rules.
    """

    classes: Int[np.ndarray, " r"]
    boxes: Int[np.ndarray, "r 4"]
    points: Int[np.ndarray, "r 2"]
    ids: Int[np.ndarray, "g k"]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def grid(self) -> Size:
        """Size of `ids`."""
        return Size(*self.ids.shape)

    def area(self, chosen: Bool[np.ndarray, " r"], size: Size) -> Bool[Tensor, "H W"]:
        """Return the union of the chosen regions at `size`, enlarged by the nearest pixel."""
        union = torch.from_numpy(np.concatenate([[False], chosen])[self.ids])
        if self.grid == size:
            return union
        return F.interpolate(union[None, None].to(torch.uint8), tuple(size), mode="nearest")[0, 0].bool()


class Rules(Protocol):
    """The parts in which the published code and this one differ."""

    def sam_image(self, image: Rgb, patch: int, sam: SamSizes) -> Rgb:
        """Return the image at the size at which it is encoded for SAM; sides are multiples of `patch`."""

    def propose(self, coarse: CoarseResult, *, coarse_threshold: float, min_area: int) -> Proposals:
        """Return the regions to refine; `min_area` in pixels of the image."""

    def to_frame(
        self, xy: Float[Tensor, "*b 2"], proposals: Proposals, sam_size: Size, sam: SamSizes
    ) -> Float[Tensor, "*b 2"]:
        """Return coordinates on the proposals' grid as pixel indices in SAM's frame."""

    def mask_prompts(
        self,
        coarse: CoarseResult,
        proposals: Proposals,
        chosen: slice,
        sam_size: Size,
        threshold: float,
        sam: SamSizes,
    ) -> Float[Tensor, "r k k"]:
        """Return the probabilities above `threshold` that prompt the chosen regions, zero elsewhere."""

    def embed_masks(self, sam: SamDecoder, masks: Float[Tensor, "r k k"]) -> Float[Tensor, "r c g g"]:
        """Return the dense embeddings of mask prompts."""

    def settle(
        self, coarse: CoarseResult, merged: "Merged", failed: Bool[Tensor, "H W"]
    ) -> tuple[Integer[Tensor, "H W"], Float[Tensor, "H W"]]:
        """Return final labels and confidence, at least one region having been accepted."""


@dataclass(frozen=True, eq=False)
class Merged:
    """What the accepted masks say of each pixel.

    Attributes:
        evidence: largest sigmoid(mask logit)·probability over the accepted masks that hold the pixel, else 0.
        winners: the label it belongs to, from 1; 0 where no mask holds the pixel.
    """

    evidence: Float[Tensor, "H W"]
    winners: Integer[Tensor, "H W"]


def by_class(regions: Regions) -> Proposals:
    """Return regions labelled 1, 2, … as proposals, sorted by label."""
    order = np.argsort(regions.labels, kind="stable")
    place = np.zeros(len(order) + 1, np.int32)
    place[order + 1] = np.arange(1, len(order) + 1)
    return Proposals(
        classes=regions.labels[order] - 1,
        boxes=regions.boxes[order],
        points=regions.peaks[order],
        ids=place[regions.ids],
    )
