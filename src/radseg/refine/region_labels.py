"""One name per region of SAM 2: CorrCLIP's map correction (arXiv 2411.10086)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from radseg.errors import InputError
from radseg.ops.inference import inference
from radseg.ops.region_masks import paint
from radseg.refine.base import CoarseResult, Refinement
from radseg.types import Rgb

STRIP_PIXELS = 2**20
"""Counted at once; 40 MB of wide numbers."""


@dataclass(frozen=True)
class RegionLabels:
    """Every region takes the name most of its pixels have; pixels outside of all regions keep theirs.

    The regions are those the method used, so the image is not encoded again. None is a name
    here: a region mostly without a name loses those it has. The confidence of a pixel whose name changes is
    the mean of the pixels of its region that had it before; a pixel may get a name that is improbable there.
    """

    @inference()
    def refine(self, images: Sequence[Rgb], coarse: Sequence[CoarseResult]) -> list[Refinement]:
        """Return one refinement per image, whose pixels are not used.

        Raises:
            InputError: features of a method that has no regions.
        """
        return [self._one(one) for _, one in zip(images, coarse, strict=True)]

    def _one(self, coarse: CoarseResult) -> Refinement:
        if coarse.regions is None:
            raise InputError("These features bring no regions; refine='regions' needs those of CorrCLIP.")
        device = coarse.labels.device
        # On the CPU, where the labels go next anyway: not every device counts in float64.
        numbers = paint(coarse.regions.cpu(), coarse.size)
        labels, confidence = coarse.labels.cpu().clone(), coarse.confidence.cpu().clone()
        winners, means = votes(numbers, labels, confidence, len(coarse.regions))
        for rows in _strips(numbers):
            at = numbers[rows].long()
            name = winners[at].to(labels)
            changed = (at > 0) & (name != labels[rows])
            labels[rows] = torch.where(changed, name, labels[rows])
            confidence[rows] = torch.where(changed, means[at].to(confidence), confidence[rows])
        return Refinement(
            labels.to(device),
            confidence.to(device),
            regions=len(coarse.regions),
            accepted=int((numbers.unique() > 0).sum()),
        )


def votes(
    numbers: Integer[Tensor, "H W"],
    labels: Integer[Tensor, "H W"],
    confidence: Float[Tensor, "H W"],
    count: int,
) -> tuple[Integer[Tensor, " n"], Float[Tensor, " n"]]:
    """Return for the regions 0 to `count` their most frequent label and the mean confidence of its pixels.

    Of equally frequent labels the least wins.
    """
    most = int(labels.max()) + 1
    shape = (count + 1, most)
    counts, sums = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.float64)
    for rows in _strips(numbers):
        pairs = (numbers[rows].long() * most + labels[rows].long()).flatten()
        counts += torch.bincount(pairs, minlength=counts.numel()).view(shape)
        own = confidence[rows].flatten().double()
        sums += torch.bincount(pairs, own, minlength=counts.numel()).view(shape)
    winners = counts.argmax(dim=1)
    return winners, (sums / counts.clamp(min=1)).gather(1, winners[:, None])[:, 0]


def _strips(pixels: Integer[Tensor, "H W"]) -> Iterator[slice]:
    """Yield rows by and by, few enough that wide numbers of their pixels fit beside an image."""
    step = max(1, STRIP_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), step):
        yield slice(start, start + step)
