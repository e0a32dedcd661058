"""Regions too small to be believed get the label beside them: no network, no look at the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from radseg.ops.regions import label_regions
from radseg.refine.base import CoarseResult, Refinement
from radseg.types import Rgb


@dataclass(frozen=True)
class Despeckle:
    """Refiner for label maps with scattered false names, each of a few patches.

    A pixel of a small region takes the label of the nearest pixel of a larger one, and its confidence. "None"
    counts as a label: small gaps are closed, and a small region in nothing disappears. Where no region is
    large enough all stays as it is.

    Attributes:
        min_area: pixels of the smallest region that is kept.
    """

    min_area: int = 900

    def refine(self, _: Sequence[Rgb], coarse: Sequence[CoarseResult]) -> list[Refinement]:
        """Return one refinement per image: `regions` are all, `accepted` those kept."""
        return [self._one(one) for one in coarse]

    def _one(self, coarse: CoarseResult) -> Refinement:
        regions = label_regions(
            coarse.labels.cpu().numpy().astype(np.int64), coarse.confidence.float().cpu().numpy()
        )
        kept = regions.areas >= self.min_area
        labels, confidence = coarse.labels, coarse.confidence
        if kept.any() and not kept.all():
            row, column = distance_transform_edt(
                ~kept[regions.ids - 1], return_distances=False, return_indices=True
            )
            place = torch.from_numpy(row).long(), torch.from_numpy(column).long()
            labels, confidence = labels.cpu()[place].to(labels), confidence.cpu()[place].to(confidence)
        return Refinement(labels, confidence, regions=len(regions), accepted=int(kept.sum()))
