"""Objects of an image by prompting SAM's decoder from the class map, on the features that RADSeg+ has made.

The encoder does not run again, and a region that RADSeg+ has prompted already is not prompted twice.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from radseg.errors import InputError
from radseg.modes import STUFF
from radseg.objects import (
    MIN_AREA,
    ImageObject,
    connected_objects,
    disjoint,
    is_stuff,
    object_of,
    panoptic,
    ranked,
    suppressed,
)
from radseg.ops.inference import inference
from radseg.ops.regions import Regions, label_regions
from radseg.refine.base import CoarseResult, Refinement, Refiner
from radseg.refine.corrected import Corrected
from radseg.refine.merge import Canvas
from radseg.refine.radio_sam import Prompted, SamRefiner
from radseg.refine.rules import Proposals, by_class
from radseg.scoring import decide

MASKS_KEPT = 256
"""Masks of RADSeg+ that are kept for finding objects: 32 MB."""


class ObjectFinder(Protocol):
    """Anything that finds the objects of an image after its labels."""

    def find(
        self, names: Sequence[str], coarse: CoarseResult, outcome: CoarseResult | Refinement
    ) -> list[ImageObject]:
        """Return the objects, best first, no pixel in two; `outcome` is what refinement made of `coarse`."""


@dataclass(frozen=True)
class ConnectedParts:
    """Connected parts of the label map: all there is without SAM.

    Attributes:
        stuff: names that are one object each.
        min_area: smallest object in pixels.
    """

    stuff: Collection[str] = STUFF
    min_area: int = MIN_AREA

    def find(
        self, names: Sequence[str], coarse: CoarseResult, outcome: CoarseResult | Refinement
    ) -> list[ImageObject]:
        """Return the connected parts; see ObjectFinder."""
        labels, confidence = outcome.labels.cpu().numpy(), outcome.confidence.float().cpu().numpy()
        return connected_objects(labels, names, confidence, min_area=self.min_area, stuff=self.stuff)


@dataclass(frozen=True)
class SamObjects:
    """Regions of the class map as prompts, single and joined, then masks that compete.

    A region grows as far as its name is the best of all names, also where no name won, so that an object
    whose middle is uncertain is one region. Neighbouring regions of a name are prompted together too.
    Numbers were chosen on the miniature's rooms with seeds 7000 to 7039 (docs/experiments.md).

    Attributes:
        refiner: of the Segmenter, with `masks_kept`.
        stuff: names that are one object each, their pixels in the label map.
        grow: probability down to which a region grows.
        gap: regions of a name that are nearer than this share of the short side are prompted together too.
        joined: a joined mask takes the place of its parts if its score is at least this share of the best's.
        min_iou: masks of a lesser predicted IoU are no objects.
        min_score: nor are masks whose mean probability times predicted IoU is less.
        overlap: of two masks of a name with a greater IoU the lesser is left out.
        min_share: an object of which better ones leave less than this share is left out.
    """

    refiner: SamRefiner
    stuff: Collection[str] = STUFF
    grow: float = 0.1
    gap: float = 0.11
    joined: float = 0.77
    min_iou: float = 0.6
    min_score: float = 0.4
    overlap: float = 0.5
    min_share: float = 0.5

    @inference()
    def find(
        self, names: Sequence[str], coarse: CoarseResult, outcome: CoarseResult | Refinement
    ) -> list[ImageObject]:
        """Return the objects; see ObjectFinder.

        Raises:
            InputError: the outcome is not of `refiner`, or it kept no masks.
        """
        if not isinstance(outcome, Refinement) or self.refiner.masks_kept == 0:
            raise InputError("Objects by SAM need its refinement; make them with `segmenter.with_objects()`.")
        labels, confidence = outcome.labels.cpu().numpy(), outcome.confidence.float().cpu().numpy()
        things = [] if outcome.seen is None else self._things(names, coarse, labels, outcome.seen)
        rest = np.where(panoptic(things, labels.shape) > 0, 0, labels)
        whole = connected_objects(rest, names, confidence, min_area=self.refiner.min_area, stuff=self.stuff)
        return ranked([*things, *(one for one in whole if one.stuff)])

    def _things(
        self, names: Sequence[str], coarse: CoarseResult, labels: Int[np.ndarray, "H W"], seen: Prompted
    ) -> list[ImageObject]:
        parts = self._parts(names, coarse, labels)
        joins, members = self._joins(parts, coarse)
        found = dict(self._objects(names, coarse, seen, [parts, joins]))
        kept = []
        for number, inside in enumerate(members):
            join = found.pop((1, number), None)
            singles = [found[0, part] for part in inside if (0, part) in found]
            if join is not None and join.score >= self.joined * max((s.score for s in singles), default=0):
                kept.append(join)
                for part in inside:
                    found.pop((0, part), None)
        competing = suppressed([*kept, *found.values()], self.overlap)
        return disjoint(competing, labels.shape, min_area=self.refiner.min_area, min_share=self.min_share)

    def _parts(self, names: Sequence[str], coarse: CoarseResult, labels: Int[np.ndarray, "H W"]) -> Proposals:
        """Return the regions of things: where a name is the best, if the label map has any of it there."""
        stream = self.refiner.memory_budget // 8
        grown = decide(coarse.probabilities, coarse.size, threshold=self.grow, stream_bytes=stream)
        best, confidence = grown.labels.cpu().numpy(), grown.confidence.float().cpu().numpy()
        whole = {label for label, name in enumerate(names, start=1) if is_stuff(name, self.stuff)}
        best[np.isin(best, list(whole))] = 0
        area = self.refiner.min_area
        regions = label_regions(best, confidence, ignore={0}, min_area=area)
        agree = np.bincount(regions.ids[best == labels], minlength=len(regions) + 1)[1:]
        return _subset(by_class(regions), _by_class_order(regions, agree >= area // 4))

    def _joins(self, parts: Proposals, coarse: CoarseResult) -> tuple[Proposals, list[list[int]]]:
        """Return the groups of neighbouring regions of one name, and the regions that are in each.

        The distance is that of the boxes: exact distances at 4K take longer than the network.
        """
        gap = self.gap * min(coarse.size)
        groups = [group for group in _groups(parts, gap) if len(group) > 1]
        place = np.zeros(len(parts) + 1, np.int32)
        for number, group in enumerate(groups, start=1):
            place[np.array(group) + 1] = number
        heads = [max(group, key=lambda part: _peak(coarse, parts, part)) for group in groups]
        index = np.array(heads, np.int64)
        boxes = parts.boxes[index]
        for box, group in zip(boxes, groups, strict=True):
            members = parts.boxes[group]
            box[:] = *members[:, :2].min(axis=0), *members[:, 2:].max(axis=0)
        return Proposals(parts.classes[index], boxes, parts.points[index], place[parts.ids]), groups

    def _objects(
        self, names: Sequence[str], coarse: CoarseResult, seen: Prompted, sets: Sequence[Proposals]
    ) -> Iterator[tuple[tuple[int, int], ImageObject]]:
        """Yield set and region of every prompt whose mask is an object, with that object."""
        canvas = Canvas(coarse, seen.sam_size, self.refiner.sam.sizes)
        for index, region, logits, iou in self._masks(coarse, seen, sets):
            label = int(sets[index].classes[region]) + 1
            one = self._object(names[label - 1], label, logits, iou, coarse, canvas)
            if one is not None:
                yield (index, region), one

    def _masks(
        self, coarse: CoarseResult, seen: Prompted, sets: Sequence[Proposals]
    ) -> Iterator[tuple[int, int, Float[Tensor, "k k"], float]]:
        """Yield set, region, mask logits and predicted IoU; what RADSeg+ has decoded is not decoded again."""
        prompter = replace(self.refiner, rules=Corrected())
        todo, prompted = [], []
        for index, proposals in enumerate(sets):
            known = _decoded(proposals, seen)
            for region, (logits, iou) in known.items():
                yield index, region, logits.float(), iou
            new = [region for region in range(len(proposals)) if region not in known]
            if new:
                todo.append((index, new))
                prompted.append(prompter.prompt_again(seen, coarse, _subset(proposals, new)))
        for i, place, logits, iou in prompter.decode(prompted):
            index, new = todo[i]
            yield index, new[place], logits, iou

    def _object(
        self,
        name: str,
        label: int,
        logits: Float[Tensor, "k k"],
        iou: float,
        coarse: CoarseResult,
        canvas: Canvas,
    ) -> ImageObject | None:
        """Return the mask as an object; None if it is too small or too unsure."""
        window = canvas.window(logits) if iou >= self.min_iou else None
        if window is None:
            return None
        shown, total = [], 0.0
        chances = canvas.probability(coarse.probabilities[label - 1], window)
        for (_, values), (_, chance) in zip(canvas.logits(logits, window), chances, strict=True):
            shown.append((values > 0).cpu().numpy())
            total += float(chance[values > 0].sum())
        crop = np.concatenate(shown)
        area = int(crop.sum())
        score = min(iou, 1.0) * total / max(area, 1)
        if area < self.refiner.min_area or score < self.min_score:
            return None
        return object_of(
            crop, name=name, label=label, score=min(score, 1.0), how="SAM prompt",
            at=(window[0].start, window[1].start), size=(coarse.size.height, coarse.size.width),
        )  # fmt: skip


def _by_class_order(regions: Regions, chosen: Bool[np.ndarray, " r"]) -> list[int]:
    """Return where `by_class` puts the chosen regions."""
    return np.flatnonzero(chosen[np.argsort(regions.labels, kind="stable")]).tolist()


def _subset(proposals: Proposals, chosen: Sequence[int]) -> Proposals:
    """Return some of the regions, numbered anew."""
    index = np.array(chosen, np.int64)
    place = np.zeros(len(proposals) + 1, np.int32)
    place[index + 1] = np.arange(1, len(index) + 1)
    return Proposals(
        proposals.classes[index], proposals.boxes[index], proposals.points[index], place[proposals.ids]
    )


def _decoded(proposals: Proposals, seen: Prompted) -> dict[int, tuple[Float[Tensor, "k k"], float]]:
    """Return masks that RADSeg+ has for regions: same name, box and point, which a grown region has not."""
    if proposals.grid != seen.proposals.grid:
        return {}  # the published rules prompt at half size

    def places(of: Proposals) -> list[tuple[int, ...]]:
        return [tuple(row) for row in np.column_stack([of.classes, of.boxes, of.points]).tolist()]

    known = dict(zip(places(seen.proposals), seen.decoded, strict=False))
    return {region: known[place] for region, place in enumerate(places(proposals)) if place in known}


def _groups(parts: Proposals, gap: float) -> list[list[int]]:
    """Return the regions of each name whose boxes are chained by distances of at most `gap` pixels."""
    low, high = parts.boxes[:, :2], parts.boxes[:, 2:]
    apart = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).max(axis=2, initial=-1)
    near = (apart <= gap) & (parts.classes[:, None] == parts.classes)
    count, group = connected_components(near, directed=False)
    return [np.flatnonzero(group == number).tolist() for number in range(count)]


def _peak(coarse: CoarseResult, parts: Proposals, part: int) -> float:
    """Return the probability at a region's point, to the nearest patch."""
    map_ = coarse.probabilities[int(parts.classes[part])]
    x, y = parts.points[part].tolist()
    return float(map_[y * map_.shape[0] // coarse.size.height, x * map_.shape[1] // coarse.size.width])


def finder_beside(refine: Refiner | None, stuff: Collection[str]) -> tuple[Refiner | None, ObjectFinder]:
    """Return the refiner, and what finds objects beside it: by its SAM, else connected parts."""
    if not isinstance(refine, SamRefiner):
        return refine, ConnectedParts(stuff)
    keeping = replace(refine, masks_kept=MASKS_KEPT)
    return keeping, SamObjects(keeping, stuff)
