"""One name per region of SAM 2: CorrCLIP's map correction (arXiv 2411.10086)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Integer
from torch import Tensor

from radseg.errors import InputError
from radseg.ops.region_masks import paint
from radseg.refine.base import Coarse, Refinement
from radseg.types import Rgb


@dataclass(frozen=True)
class RegionLabels:
    """Every region takes the name most of its pixels have; pixels outside of all regions keep theirs.

    The regions are those the method looked through, so nothing looks at the picture again. None is a name
    here: a region mostly without a name loses those it has. The confidence of a pixel whose name changes is
    the mean of the pixels of its region that had it before.
    """

    @torch.inference_mode()
    def refine(self, pictures: Sequence[Rgb], coarse: Sequence[Coarse]) -> list[Refinement]:
        """Return one refinement per picture.

        Raises:
            InputError: features of a method that has no regions.
        """
        return [self._one(one) for _, one in zip(pictures, coarse, strict=True)]

    def _one(self, coarse: Coarse) -> Refinement:
        if coarse.regions is None:
            raise InputError("These features bring no regions; refine='regions' needs those of CorrCLIP.")
        masks = coarse.regions.to(coarse.confidence.device)
        numbers = paint(masks, coarse.size)
        inside = numbers > 0
        winners = mode_per_region(numbers, coarse.labels, len(masks))
        agreed = inside & (winners[numbers] == coarse.labels)
        counts = torch.bincount(numbers[agreed], minlength=len(masks) + 1)
        sums = torch.bincount(numbers[agreed], coarse.confidence[agreed].double(), minlength=len(masks) + 1)
        means = (sums / counts.clamp(min=1)).to(coarse.confidence)
        changed = inside & ~agreed
        return Refinement(
            torch.where(changed, winners[numbers], coarse.labels),
            torch.where(changed, means[numbers], coarse.confidence),
            regions=len(masks),
            accepted=len(numbers[inside].unique()),
        )


def mode_per_region(
    numbers: Integer[Tensor, "H W"], labels: Integer[Tensor, "H W"], count: int
) -> Integer[Tensor, " n"]:
    """Return the most frequent label of regions 0 to `count`, in the labels' type; of equals the least."""
    most = int(labels.max()) + 1
    pairs = numbers * most + labels.to(numbers)
    counts = torch.bincount(pairs.flatten(), minlength=(count + 1) * most).unflatten(0, (count + 1, most))
    return counts.argmax(dim=1).to(labels.dtype)
