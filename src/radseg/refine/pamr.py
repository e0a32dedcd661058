"""PAMR as a refiner: probabilities, or cosines, follow the image's edges before a pixel is decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.ops.bands import row_bands
from radseg.ops.inference import inference
from radseg.ops.pamr import DILATIONS, ITERATIONS, pamr, pamr_weights
from radseg.ops.resize import fit_short_side, image_size, resize
from radseg.refine.base import CoarseResult, Refinement
from radseg.scoring import decide
from radseg.types import Rgb


@dataclass(frozen=True)
class Pamr:
    """Refiner for any method: no weights, no network (arXiv 2005.08104; methods spec 10.1).

    Differs from the published code in bringing the maps of the patch grid to the image with half-pixel
    centres, as everywhere here, not with aligned corners, which moves a map by up to half a patch.

    Attributes:
        iterations: weighted means one after the other.
        dilations: distances of the eight neighbours in pixels, at the size of `short_side`.
        short_side: the image is scaled to this short side for it; None takes the image as it is.
        long_side: its long side is never more than this after scaling, in pixels.
        memory_budget: bytes of refined maps alive at once, at least one name; more names go in turns.
    """

    iterations: int = ITERATIONS
    dilations: tuple[int, ...] = DILATIONS
    short_side: int | None = 336
    long_side: int | None = 2048
    memory_budget: int = 2**28

    @inference()
    def refine(self, images: Sequence[Rgb], coarse: Sequence[CoarseResult]) -> list[Refinement]:
        """Return one refinement per image; no regions are tried."""
        return [self._one(image, one) for image, one in zip(images, coarse, strict=True)]

    def _one(self, image: Rgb, coarse: CoarseResult) -> Refinement:
        """Return the decision of the refined maps; names in turns, the first of equal ones wins."""
        # Maps of dropped names are zero and stay so; to leave them out changes nothing.
        alive = coarse.probabilities.flatten(1).amax(dim=1).nonzero()[:, 0]
        if not len(alive):  # nothing to refine: what is decided then stays
            return Refinement(coarse.labels, coarse.confidence, regions=0, accepted=0)
        fitted = image.to(coarse.probabilities)
        if self.short_side is not None:
            fitted = fit_short_side(fitted, self.short_side, long_max=self.long_side)
        weights = pamr_weights(fitted, dilations=self.dilations)
        labels = torch.zeros_like(coarse.labels)
        best = coarse.confidence.new_full(coarse.size, -1.0)
        if coarse.none is not None:
            best = decide(self._refined(coarse.none, weights), coarse.size).confidence
        at_once = max(1, self.memory_budget // (4 * weights[0].numel() * weights.element_size()))
        for names in alive.split(at_once):
            maps = self._refined(coarse.probabilities[names], weights)
            found = decide(maps, coarse.size, stream_bytes=self.memory_budget)
            numbers = (names + 1).to(labels)
            for rows in row_bands(*coarse.size):
                better = found.confidence[rows] > best[rows]
                best[rows] = torch.where(better, found.confidence[rows], best[rows])
                index = found.labels[rows].long() - 1
                labels[rows] = torch.where(better, numbers[index], labels[rows])
        labels.masked_fill_(best < coarse.threshold, 0)
        return Refinement(labels, best.clamp_min_(0), regions=0, accepted=0)

    def _refined(
        self, maps: Float[Tensor, "c h w"], weights: Float[Tensor, "k H W"]
    ) -> Float[Tensor, "c H W"]:
        large = F.interpolate(maps[None], tuple(image_size(weights)), mode="bilinear", align_corners=False)[0]
        return pamr(large, weights, dilations=self.dilations, iterations=self.iterations)


@dataclass(frozen=True)
class CosinePamr:
    """CosineRefiner for any method whose cosines are enlarged: PAMR in NACLIP's order, before the softmax.

    At the size of the labels, on the image as the method saw it, resized to that.

    Attributes:
        iterations, dilations: as of Pamr.
        memory_budget: bytes of refined maps alive at once, at least one row; more rows go in turns.
    """

    iterations: int = ITERATIONS
    dilations: tuple[int, ...] = DILATIONS
    memory_budget: int = 2**28
    pixel_bytes: ClassVar[int] = 400  # differences to 16 neighbours in three colours, two sets of weights

    @inference()
    def sharpen(self, cosines: Float[Tensor, "r H W"], image: Rgb) -> Float[Tensor, "r H W"]:
        """Return the refined cosines of every row."""
        weights = pamr_weights(resize(image.to(cosines), image_size(cosines)), dilations=self.dilations)
        at_once = max(1, self.memory_budget // (4 * cosines[0].numel() * cosines.element_size()))
        return torch.cat(
            [
                pamr(rows, weights, dilations=self.dilations, iterations=self.iterations)
                for rows in cosines.split(at_once)
            ]
        )
