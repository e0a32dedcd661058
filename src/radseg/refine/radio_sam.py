"""RADSeg+ (arXiv 2511.19704 §3.5): regions of the coarse map prompt SAM's decoder; Trident's is the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from radseg.errors import InputError
from radseg.models.sam import SamDecoder
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.ops.inference import inference
from radseg.ops.resize import image_size
from radseg.refine.base import CoarseResult, Refinement
from radseg.refine.corrected import Corrected
from radseg.refine.merge import Canvas, Merger
from radseg.refine.rules import Proposals, Rules
from radseg.refine.sources import FeatureSource
from radseg.types import FeatureMap, Rgb, Size

CPU_PROMPTS = 2
"""Prompts decoded together on a CPU: 92 ms each, 106 with 4, 144 with 8 and 152 with 20 (1 thread)."""


@dataclass(frozen=True, eq=False)
class Prompted:
    """One image on its way through the decoder.

    Attributes:
        decoded: mask logits in float16 and predicted IoU of the first regions; see SamRefiner.masks_kept.
    """

    coarse: CoarseResult
    proposals: Proposals
    image: Float[Tensor, "c g g"]
    sam_size: Size
    sparse: Float[Tensor, "r 3 c"]
    decoded: tuple[tuple[Float[Tensor, "k k"], float], ...] = ()


@dataclass(frozen=True)
class SamRefiner:
    """Refiner with features in SAM's space and the prompt encoder and mask decoder of SAM.

    Attributes:
        source: of the features: `RadioFeatures` is RADSeg+, `SamFeatures` Trident.
        sam: SAM without its image encoder.
        coarse_threshold: pixels less probable than this belong to no region; per dataset in the paper.
        min_area: smallest region in pixels of the image (the paper's 225 count at half size).
        mask_coefficient: multiplies the probabilities of the mask prompt.
        iou_threshold: masks whose predicted IoU is not above this are dropped; their regions stay.
        rules: `Corrected`, or `Reference` to reproduce the published code.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
        masks_kept: so many masks, of 128 KB each, go into the result's `seen`, with the features; 0 is none
            of either.
    """

    source: FeatureSource
    sam: SamDecoder
    coarse_threshold: float = 0.10
    min_area: int = 900
    mask_coefficient: float = 0.005
    iou_threshold: float = 0.9
    rules: Rules = Corrected()  # noqa: RUF009 - frozen, without state
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    masks_kept: int = 0

    def __post_init__(self) -> None:
        if self.min_area < 1:
            raise InputError(f"min_area is {self.min_area}; a region has at least 1 pixel.")
        frame = self.sam.sizes.frame
        if frame % self.source.patch:
            raise InputError(f"Patches of {self.source.patch} pixels do not tile SAM's frame of {frame}.")

    @inference()
    def refine(self, images: Sequence[Rgb], coarse: Sequence[CoarseResult]) -> list[Refinement]:
        """Return one refinement per image; equal to refining each alone.

        Images without a region are not encoded again.

        Raises:
            InputError: not one coarse decision per image.
        """
        if len(images) != len(coarse):
            raise InputError(f"{len(images)} images but {len(coarse)} coarse decisions.")
        proposals = [
            self.rules.propose(c, coarse_threshold=self.coarse_threshold, min_area=self.min_area)
            for c in coarse
        ]
        results = [Refinement(c.labels, c.confidence, 0, 0) for c in coarse]
        active = [i for i, p in enumerate(proposals) if len(p)]
        resized = [self.sam_image(images[i]) for i in active]
        prompted = [
            self.prompt(coarse[i], proposals[i], features, image_size(one))
            for i, one, features in zip(active, resized, self.source.encode(resized), strict=True)
        ]
        for i, result in zip(active, self._merge(prompted), strict=True):
            results[i] = result
        return results

    def sam_image(self, image: Rgb) -> Rgb:
        """Return the image as it is encoded for SAM, on the backbone's device."""
        return self.rules.sam_image(image.to(self.source.device), self.source.patch, self.sam.sizes)

    def prompt(
        self, coarse: CoarseResult, proposals: Proposals, features: FeatureMap, sam_size: Size
    ) -> Prompted:
        """Return what the decoder needs of one image, but for the mask prompts."""
        points, boxes = self.point_and_box(proposals, sam_size)
        return Prompted(
            coarse,
            proposals,
            self.sam.embed_image(features[None].to(self.sam.dtype))[0],
            sam_size,
            self.sam.embed_points_and_boxes(points, boxes),
        )

    def prompt_again(self, seen: Prompted, coarse: CoarseResult, proposals: Proposals) -> Prompted:
        """Return other prompts for an image whose features are there."""
        points, boxes = self.point_and_box(proposals, seen.sam_size)
        sparse = self.sam.embed_points_and_boxes(points, boxes)
        return Prompted(coarse, proposals, seen.image, seen.sam_size, sparse)

    def point_and_box(
        self, proposals: Proposals, sam_size: Size
    ) -> tuple[Float[Tensor, "r 2"], Float[Tensor, "r 4"]]:
        """Return the prompts of every region as pixel indices in SAM's frame."""
        device = self.sam.device
        points = torch.from_numpy(proposals.points).to(device, torch.float32)
        corners = torch.from_numpy(proposals.boxes).to(device, torch.float32).unflatten(1, (2, 2))
        return (
            self.rules.to_frame(points, proposals, sam_size, self.sam.sizes),
            self.rules.to_frame(corners, proposals, sam_size, self.sam.sizes).flatten(1),
        )

    def mask_prompts(
        self, coarse: CoarseResult, proposals: Proposals, sam_size: Size, chosen: slice
    ) -> Float[Tensor, "r k k"]:
        """Return the mask prompts of the chosen regions."""
        maps = self.rules.mask_prompts(
            coarse, proposals, chosen, sam_size, self.coarse_threshold, self.sam.sizes
        )
        return maps * self.mask_coefficient

    def decode(self, prompted: Sequence[Prompted]) -> Iterator[tuple[int, int, Float[Tensor, "k k"], float]]:
        """Yield image, region, mask logits and predicted IoU, in order, whatever image they are from."""
        for batch in _batches([len(p.proposals) for p in prompted], self.prompts_at_once):
            parts = [(prompted[i], chosen) for i, chosen in batch]
            masks = [self.mask_prompts(p.coarse, p.proposals, p.sam_size, chosen) for p, chosen in parts]
            images = [p.image.expand(len(m), -1, -1, -1) for (p, _), m in zip(parts, masks, strict=True)]
            logits, scores = self.sam.decode(
                torch.cat(images) if len(images) > 1 else images[0],
                torch.cat([p.sparse[chosen] for p, chosen in parts]),
                self.rules.embed_masks(self.sam, torch.cat(masks).to(self.sam.device)),
            )
            places = [(i, r) for i, chosen in batch for r in range(chosen.start, chosen.stop)]
            for (i, r), mask, score in zip(places, logits.float(), scores.tolist(), strict=True):
                yield i, r, mask, score

    @property
    def prompts_at_once(self) -> int:
        """How many prompts go through the decoder together: at most a quarter of the memory budget."""
        fitting = max(1, self.memory_budget // 4 // self.sam.prompt_bytes)
        return min(fitting, CPU_PROMPTS) if self.sam.device.type == "cpu" else fitting

    def _merge(self, prompted: Sequence[Prompted]) -> Iterator[Refinement]:
        """Yield the refinement of each image as soon as its last region is decoded."""
        accepted = [np.zeros(len(p.proposals), bool) for p in prompted]
        merger, kept = None, list[tuple[Tensor, float]]()
        for i, region, logits, score in self.decode(prompted):
            one = prompted[i]
            if region == 0:
                merger = Merger(one.coarse, Canvas(one.coarse, one.sam_size, self.sam.sizes))
                kept = []
            if region < self.masks_kept:
                kept.append((logits.half(), score))
            assert merger is not None
            if score > self.iou_threshold:
                accepted[i][region] = True
                merger.add(int(one.proposals.classes[region]), logits)
            if region == len(one.proposals) - 1:
                result = self._decode_regions(one, merger, accepted[i])
                yield replace(result, seen=replace(one, decoded=tuple(kept))) if self.masks_kept else result

    def _decode_regions(self, one: Prompted, merger: Merger, accepted: Bool[np.ndarray, " r"]) -> Refinement:
        counts = len(accepted), int(accepted.sum())
        if not accepted.any():
            return Refinement(one.coarse.labels, one.coarse.confidence, *counts)
        failed = one.proposals.area(~accepted, one.coarse.size).to(one.coarse.labels.device)
        return Refinement(*self.rules.settle(one.coarse, merger.merged(), failed), *counts)


def _batches(counts: Sequence[int], limit: int) -> Iterator[list[tuple[int, slice]]]:
    """Yield batches of at most `limit` regions as (image, its regions in this batch), in order."""
    batch: list[tuple[int, slice]] = []
    room = limit
    for i, count in enumerate(counts):
        start = 0
        while start < count:
            taken = min(room, count - start)
            batch.append((i, slice(start, start + taken)))
            start, room = start + taken, room - taken
            if room == 0:
                yield batch
                batch, room = [], limit
    if batch:
        yield batch
