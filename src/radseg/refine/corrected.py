"""The default rules of RADSeg+: the published ones with what is a bug in them corrected.

Each correction is a comment "Differs from the published code" with a test of that name in tests/refine.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from radseg.models.sam import SamDecoder
from radseg.ops.regions import label_regions
from radseg.ops.resize import fit_frame
from radseg.refine.axes import linear_axis, resample
from radseg.refine.base import CoarseResult
from radseg.refine.rules import Merged, Proposals, by_class
from radseg.types import Rgb, Size
from radseg.weights.config import SamSizes


@dataclass(frozen=True)
class Corrected:
    """Rules in which image, prompts and masks share one frame and labels agree with their confidence."""

    def sam_image(self, image: Rgb, patch: int, sam: SamSizes) -> Rgb:
        """Return the image with its long side filling SAM's frame, the short one at the nearest number of
        patches.

        Differs from the published code, which floors the short side (up to 15 pixels of distortion), and
        shrinks without antialiasing.
        """
        return fit_frame(image, frame=sam.frame, patch=patch)

    def propose(self, coarse: CoarseResult, *, coarse_threshold: float, min_area: int) -> Proposals:
        """Return the regions of the label map itself.

        Differs from the published code, which takes every second pixel (thin parts break apart, odd sizes
        shift by a pixel) and passes label numbers through float16 (wrong above 2048 names).
        """
        sure = coarse.confidence >= coarse_threshold
        labels = torch.where(sure, coarse.labels, torch.zeros_like(coarse.labels))
        regions = label_regions(
            labels.cpu().numpy(), coarse.confidence.float().cpu().numpy(), ignore={0}, min_area=min_area
        )
        return by_class(regions)

    def to_frame(
        self, xy: Float[Tensor, "*b 2"], proposals: Proposals, sam_size: Size, sam: SamSizes
    ) -> Float[Tensor, "*b 2"]:
        """Return pixel centres of the image as pixel centres of the encoded image.

        Differs from the published code, which scales by 1024/long side although the encoded image was floored
        to patches (683 rows for 672 at 867 × 1300), and maps corners of half-size pixels.
        """
        height, width = proposals.grid
        scale = xy.new_tensor([sam_size.width / width, sam_size.height / height])
        return (xy + 0.5) * scale - 0.5

    def mask_prompts(
        self,
        coarse: CoarseResult,
        proposals: Proposals,
        chosen: slice,
        sam_size: Size,
        threshold: float,
        sam: SamSizes,
    ) -> Float[Tensor, "r k k"]:
        """Return the map of the region's name inside the region.

        Differs from the published code, which prompts each region with all regions of its name, against its
        own box, and in the frame of an image that was not floored.
        """
        maps = coarse.probabilities
        cells = Size(*(side * sam.mask_side // sam.frame for side in sam_size))
        rows, columns = (
            linear_axis(low, high, like=maps) for low, high in zip(maps.shape[-2:], cells, strict=True)
        )
        names = torch.from_numpy(proposals.classes[chosen]).to(maps.device)
        values = resample(maps[names], rows, columns)
        at = [_nearest(count, side) for count, side in zip(cells, proposals.grid, strict=True)]
        ids = torch.from_numpy(proposals.ids)[at[0][:, None], at[1]].to(maps.device)
        numbers = torch.arange(len(proposals) + 1, device=maps.device)[1:][chosen]
        inside = (ids == numbers[:, None, None]) & (values > threshold)
        padding = (0, sam.mask_side - cells.width, 0, sam.mask_side - cells.height)
        return F.pad(torch.where(inside, values, 0), padding)

    def embed_masks(self, sam: SamDecoder, masks: Float[Tensor, "r k k"]) -> Float[Tensor, "r c g g"]:
        """Return the embeddings as SAM was trained.

        Differs from the published code, whose masks lack the batch axis, so that SAM's channel norms run
        along image rows instead.
        """
        return sam.embed_masks(masks)

    def settle(
        self, coarse: CoarseResult, merged: Merged, failed: Bool[Tensor, "H W"]
    ) -> tuple[Integer[Tensor, "H W"], Float[Tensor, "H W"]]:
        """Return the label with the strongest evidence: masks, and in failed regions the coarse decision.

        Differs from the published code, where masks overwrite failed regions whatever their evidence (the
        fallback meant to prevent it is dead), where confidence is zero wherever the coarse label stayed, and
        where a mask may name a pixel below the threshold.
        """
        defence = torch.where(failed, coarse.confidence, 0)
        won = (merged.evidence > defence) & (merged.evidence >= coarse.threshold)
        labels = torch.where(won, merged.winners, coarse.labels)
        return labels, torch.where(won, merged.evidence, coarse.confidence)


def _nearest(count: int, side: int) -> Integer[Tensor, " n"]:
    """Return for each of `count` cells the pixel of `side` that holds its centre."""
    return (torch.arange(count) * 2 + 1) * side // (2 * count)
