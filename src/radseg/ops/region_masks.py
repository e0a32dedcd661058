"""Soft region masks from a promptable segmenter: which are kept, which are one region (TextRegion §3.1), and
which region each place belongs to (CorrCLIP).
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from radseg.types import Size


def stability(logits: Float[Tensor, "r k k"], *, offset: float = 1.0) -> Float[Tensor, " r"]:
    """Return how little each mask's area depends on the cut: area above +offset over area above −offset."""
    inner = (logits > offset).flatten(1).sum(dim=1)
    outer = (logits > -offset).flatten(1).sum(dim=1)
    return inner / outer.clamp(min=1)


def boxes_of(masks: Bool[Tensor, "r k k"]) -> Int[Tensor, "r 4"]:
    """Return first and last column and row of each mask, both included: x0, y0, x1, y1; zeros if empty."""
    rows, columns = masks.any(dim=2), masks.any(dim=1)
    sides = []
    for axis in (columns, rows):
        first = axis.int().argmax(dim=1)
        last = axis.shape[1] - 1 - axis.flip(1).int().argmax(dim=1)
        sides.append(torch.stack([first, last], dim=1))
    (across, down), some = sides, masks.flatten(1).any(dim=1)
    boxes = torch.stack([across[:, 0], down[:, 0], across[:, 1], down[:, 1]], dim=1)
    return torch.where(some[:, None], boxes, 0)


def box_iou(one: Int[Tensor, " 4"], others: Int[Tensor, "r 4"]) -> Float[Tensor, " r"]:
    """Return intersection over union of one box with each other, sides are x1 − x0."""
    low = torch.maximum(one[:2], others[:, :2])
    high = torch.minimum(one[2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1)
    union = (one[2:] - one[:2]).prod() + areas - shared
    return shared / union.clamp(min=1)


def suppress(boxes: Int[Tensor, "r 4"], scores: Float[Tensor, " r"], *, iou: float) -> Int[Tensor, " s"]:
    """Return the indices that are left, best first, when each kept box removes those it overlaps by more.

    Of equal scores the earlier comes first.
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    kept = []
    while len(order):
        best = order[0]
        kept.append(best)
        order = order[1:][box_iou(boxes[best], boxes[order[1:]]) <= iou]
    return torch.stack(kept) if kept else order


def paint(logits: Float[Tensor, "r k k"], size: Size) -> Int[Tensor, "h w"]:
    """Return the number of the region at the middle of every cell, from 1; 0 where there is none; int32.

    Masks are painted smallest first, so of those that overlap the largest stays (CorrCLIP). Each is enlarged
    bilinearly, and only where it can be above 0: whole, 64 masks take 3.0 s at 4K on one thread, so 0.2 s.
    """
    painted = torch.zeros(tuple(size), dtype=torch.int32, device=logits.device)
    areas = (logits > 0).flatten(1).sum(dim=1)
    boxes = boxes_of(logits > 0).tolist()
    for i in areas.sort(stable=True).indices.tolist():
        if not areas[i]:
            continue
        left, top, right, bottom = boxes[i]
        rows, above, below, down = _between(logits.shape[1], size.height, top, bottom)
        columns, before, after, across = _between(logits.shape[2], size.width, left, right)
        down, across = down.to(logits)[:, None], across.to(logits)
        lines = torch.lerp(logits[i][above], logits[i][below], down)
        shown = torch.lerp(lines[:, before], lines[:, after], across)
        painted[rows, columns].masked_fill_(shown > 0, i + 1)
    return painted


def _between(source: int, target: int, first: int, last: int) -> tuple[slice, Tensor, Tensor, Tensor]:
    """Return which of `target` places the source places `first` to `last` reach under bilinear interpolation,
    and for each the two source places it lies between and how far it is from the one to the other.
    """
    reached = slice(max(0, (first - 1) * target // source), min(target, -(-(last + 2) * target // source)))
    place = ((torch.arange(target)[reached] + 0.5) * source / target - 0.5).clamp(0, source - 1)
    low = place.long()
    return reached, low, (low + 1).clamp(max=source - 1), place - low


def fuse(
    masks: Float[Tensor, "r k k"],
    boxes: Int[Tensor, "r 4"],
    *,
    near: float = 0.2,
    inside: float = 0.8,
) -> Float[Tensor, "s k k"]:
    """Return regions: each unused mask in turn takes in all unused ones that lie in it or it in them.

    Two masks are one when their boxes overlap by more than `near` and Σmin/min(Σ, Σ) is more than `inside`;
    the region is their elementwise maximum. Earlier masks seed first, so the order decides.
    """
    free = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    flat, areas = masks.flatten(1), masks.flatten(1).sum(dim=1)
    regions = []
    for i in range(len(masks)):
        if not free[i]:
            continue
        free[i] = False
        near_by = (free & (box_iou(boxes[i], boxes) > near)).nonzero()[:, 0]
        shared = torch.minimum(flat[i], flat[near_by]).sum(dim=1)
        taken = near_by[shared / torch.minimum(areas[i], areas[near_by]).clamp(min=1e-12) > inside]
        free[taken] = False
        regions.append(torch.cat([masks[i][None], masks[taken]]).amax(dim=0))
    return torch.stack(regions) if regions else masks[:0]


def without_global_patches(
    masks: Float[Tensor, "r p"], unit: Float[Tensor, "p d"], *, min_locality: float
) -> Float[Tensor, "r p"]:
    """Return the masks without the patches that are no more like their own regions than like the others.

    A patch's score is its mean cosine with the patches of regions that hold it, mean over these, minus the
    same over regions that do not; below `min_locality` it carries the image, not its place (TextRegion §3.3).
    """
    member = (masks > 0).to(unit)
    counts = member.sum(dim=1, keepdim=True).clamp(min=1)
    similarity = unit @ ((member @ unit) / counts).mT  # patch, region: mean cosine
    own = (similarity * member.mT).sum(dim=1) / member.sum(dim=0).clamp(min=1)
    others = (similarity * (1 - member.mT)).sum(dim=1) / (1 - member).sum(dim=0).clamp(min=1)
    return masks * ((own - others) >= min_locality)
