"""Refinement in its straightforward form: name by name, region by region, every map at full size.

Written from the description of the published code (spec 5.3 to 5.9) for comparison; Python loops and all.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from radseg.models.sam import SamDecoder
from radseg.types import Size


def up(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return "c h w" maps at `size`, bilinear."""
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]


def regions_per_name(labels: np.ndarray, confidence: np.ndarray, names: int, least: int) -> list[tuple]:
    """Return name, box, peak and mask of every region, one component labelling per name."""
    found = []
    for name in range(names):
        components, count = ndimage.label(labels == name, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            mask = components == number
            if mask.sum() < least:
                continue
            ys, xs = np.where(mask)
            y, x = np.unravel_index(np.where(mask, confidence, -1).argmax(), mask.shape)
            found.append((name, (xs.min(), ys.min(), xs.max(), ys.max()), (x, y), mask))
    return found


def propose(low: Tensor, size: Size, threshold: float, least: int) -> tuple[list[tuple], Tensor, Tensor]:
    """Return regions at half size, the half-size maps and the full-size maps."""
    full = up(low, size)
    half_size = (size.height // 2, size.width // 2)
    half = up(full, half_size)
    labels = F.interpolate(full.argmax(0)[None, None].half(), half_size, mode="nearest")[0, 0].long()
    labels[half.amax(0) < threshold] = len(low)
    found = []
    for name in range(len(low)):
        if half[name].max() >= threshold:
            one = np.where(labels.numpy() == name, 0, -1)
            found += [(name, *r[1:]) for r in regions_per_name(one, half[name].numpy(), 1, least)]
    return found, half, full


def prompts(
    found: list[tuple], half: Tensor, size: Size, threshold: float
) -> list[tuple[int, list[int], Tensor, Tensor, Tensor]]:
    """Return per name its regions, their points and boxes, and its mask prompt."""
    scale = 1024 / max(half.shape[-2:])
    side = 256 / max(size)
    mask_size = (int(size.height * side + 0.5), int(size.width * side + 0.5))
    calls = []
    for name in sorted({r[0] for r in found}):
        mine = [i for i, r in enumerate(found) if r[0] == name]
        points = torch.tensor(np.array([found[i][2] for i in mine]), dtype=torch.float32) * scale
        boxes = torch.tensor(np.array([found[i][1] for i in mine]), dtype=torch.float32) * scale
        mask = up(half[name][None], mask_size)
        mask = F.pad(torch.where(mask > threshold, mask, 0), (0, 256 - mask_size[1], 0, 256 - mask_size[0]))
        calls.append((name, mine, points, boxes, mask * 0.005))
    return calls


def embed(sam: SamDecoder, calls: list[tuple]) -> list[tuple[int, list[int], Tensor, Tensor]]:
    """Return the embedded prompts of each name."""
    return [
        (name, mine, sam.embed_points_and_boxes(points, boxes), sam.embed_masks(mask))
        for name, mine, points, boxes, mask in calls
    ]


def decode_per_name(sam: SamDecoder, image: Tensor, calls: list[tuple]) -> tuple[Tensor, Tensor]:
    """Return logits and scores, one library call per name."""
    parts = [
        sam.decode(image.expand(len(mine), -1, -1, -1), sparse, dense.expand(len(mine), -1, -1, -1))
        for _, mine, sparse, dense in calls
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def merge(
    found: list[tuple], logits: Tensor, accepted: Tensor, full: Tensor, sam_size: Size
) -> tuple[Tensor, Tensor]:
    """Return labels and evidence with every mask and every name at full size at once."""
    size = tuple(full.shape[-2:])
    big = up(up(logits, (1024, 1024))[:, : sam_size.height, : sam_size.width], size)
    evidence = torch.zeros_like(full)
    for name in range(len(full)):
        mine = [i for i, r in enumerate(found) if r[0] == name and accepted[i]]
        if mine:
            mask = big[mine]
            evidence[name] = (mask.sigmoid() * full[name]).amax(0) * (mask > 0).any(0)
    labels = torch.where(evidence.sum(0) == 0, full.argmax(0), evidence.argmax(0))
    failed = torch.zeros(size)
    for i, region in enumerate(found):
        if not accepted[i]:
            one = F.interpolate(torch.from_numpy(region[3])[None, None].float(), size, mode="nearest")
            failed = torch.maximum(failed, one[0, 0])
    return labels, torch.maximum(evidence, failed * full)
