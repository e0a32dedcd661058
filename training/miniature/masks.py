"""How the miniature's SAM decoder learns: prompts as RADSeg+ makes them, with the faults of coarse maps.

The teacher is the world itself: the exact regions of every image. A coarse map is simulated from the region
at patch resolution, blurred, disturbed and sometimes run together with a neighbour; point, box and mask
prompt follow from it by the rules of `refine.corrected`. Losses as in Segment Anything (arXiv 2304.02643 §3):
focal and dice 20 : 1 on the mask, squared error on its predicted IoU.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.models.sam import SamDecoder
from radseg.ops.region_masks import boxes_of

CELL = 4  # pixels per side of a mask cell
INSIDE = 0.5  # a pixel of a coarse map is its region's above this
COARSE_THRESHOLD = 0.1
MASK_COEFFICIENT = 0.005  # both as SamRefiner's defaults
RUN_TOGETHER = 0.15  # share of prompts whose coarse region holds a neighbour too


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts for some images in the corner of SAM's frame, and the masks they stand for.

    Attributes:
        image: index of the image of each prompt.
        points: x, y of the most confident pixel.
        boxes: x0, y0, x1, y1, both ends included.
        masks: mask prompts, at mask resolution.
        targets: share of each mask cell that is of the region.
    """

    image: Int[Tensor, " r"]
    points: Float[Tensor, "r 2"]
    boxes: Float[Tensor, "r 4"]
    masks: Float[Tensor, "r h w"]
    targets: Float[Tensor, "r h w"]


def draw_prompts(
    regions: Int[Tensor, "n H W"], *, each: int, patch: int, rng: torch.Generator
) -> Prompts | None:
    """Return up to `each` prompts per image; None if no image has a region to prompt."""
    image, wanted, disturbed = [], [], []
    for i, ids in enumerate(regions):
        present = ids.unique()
        present = present[present > 0]
        if not len(present):
            continue
        order = torch.randperm(len(present), generator=rng, device=rng.device)[:each]
        for place in order.tolist():
            region = ids == present[place]
            other = ids == present[(place + 1) % len(present)]
            together = torch.rand(1, generator=rng, device=rng.device) < RUN_TOGETHER
            image.append(i)
            wanted.append(region)
            disturbed.append(region | (other & together))
    if not wanted:
        return None
    coarse = coarse_maps(torch.stack(disturbed).float(), patch=patch, rng=rng)
    large = F.interpolate(coarse[:, None], regions.shape[1:], mode="bilinear", align_corners=False)[:, 0]
    usable = (large > INSIDE).flatten(1).any(dim=1)
    if not bool(usable.any()):
        return None
    targets = F.avg_pool2d(torch.stack(wanted).float()[:, None], CELL)[:, 0]
    images = torch.tensor(image, device=regions.device)
    return _prompts_of(images[usable], coarse[usable], large[usable], targets[usable])


def coarse_maps(masks: Float[Tensor, "r H W"], *, patch: int, rng: torch.Generator) -> Float[Tensor, "r h w"]:
    """Return probabilities on the patch grid as a segmenter might give them for these masks."""
    shares = F.avg_pool2d(masks[:, None], patch)
    draw = torch.rand(3, len(masks), 1, 1, 1, generator=rng, device=rng.device)
    blurred = F.avg_pool2d(shares, 3, stride=1, padding=1, count_include_pad=False)
    mixed = shares + draw[0] * 0.7 * (blurred - shares)
    noise = torch.randn(shares.shape, generator=rng, device=rng.device)
    smooth = F.avg_pool2d(noise, 3, stride=1, padding=1, count_include_pad=False)
    steep = 4 + 16 * draw[1]  # from hesitant to nearly binary
    return torch.sigmoid(steep * (mixed - 0.45 + 0.35 * draw[2] * smooth))[:, 0]


def _prompts_of(
    image: Int[Tensor, " r"],
    coarse: Float[Tensor, "r h w"],
    large: Float[Tensor, "r H W"],
    targets: Float[Tensor, "r k l"],
) -> Prompts:
    """Return the prompts of coarse maps, which are given at the image's size too."""
    inside = large > INSIDE
    points = large.flatten(1).argmax(1)
    low = F.interpolate(coarse[:, None], targets.shape[1:], mode="bilinear", align_corners=False)[:, 0]
    own = inside[:, CELL // 2 :: CELL, CELL // 2 :: CELL] & (low > COARSE_THRESHOLD)
    width = large.shape[2]
    return Prompts(
        image,
        torch.stack([points % width, points // width], dim=1).float(),
        boxes_of(inside).float(),
        torch.where(own, low, 0) * MASK_COEFFICIENT,
        targets,
    )


def mask_loss(
    sam: SamDecoder, features: Float[Tensor, "n e h w"], prompts: Prompts
) -> tuple[Float[Tensor, ""], float]:
    """Return the loss over all prompts, and the mean IoU of the decoded masks.

    Args:
        features: the "sam" adaptor's output for each image.
    """
    embedded = sam.embed_image(features)
    rows, columns = prompts.masks.shape[1:]
    side = sam.sizes.mask_side
    padded = F.pad(prompts.masks, (0, side - columns, 0, side - rows))
    logits, scores = sam.decode(
        embedded[prompts.image],
        sam.embed_points_and_boxes(prompts.points, prompts.boxes),
        sam.embed_masks(padded),
    )
    logits = logits[:, :rows, :columns].flatten(1)
    truth = prompts.targets.flatten(1)
    share = logits.sigmoid()
    wrong = truth * (1 - share) + (1 - truth) * share
    focal = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * wrong**2).mean()
    dice = 1 - (2 * (share * truth).sum(1) + 1) / (share.sum(1) + truth.sum(1) + 1)
    with torch.no_grad():
        found, real = logits > 0, truth > 0.5
        iou = (found & real).sum(1) / (found | real).sum(1).clamp(min=1)
    loss = 20 * focal + dice.mean() + F.mse_loss(scores, iou)
    return loss, float(iou.mean())
