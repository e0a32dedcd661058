"""The rules of the published code, quirks included, for reproducing its numbers (spec 5.1 to 5.9)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import ImageError
from radseg.models.sam import SamDecoder
from radseg.ops.regions import label_regions
from radseg.ops.resize import image_size, resize
from radseg.refine.axes import linear_axis, resample
from radseg.refine.base import CoarseResult
from radseg.refine.rules import Merged, Proposals, by_class
from radseg.types import Rgb, Size
from radseg.weights.config import SamSizes

LAYER_NORM_EPS = 1e-6  # of SAM's mask encoder


@dataclass(frozen=True)
class Reference:
    """Rules of RADSeg-OVSS/RADSeg @05ec86f. `Corrected` lists what is wrong with them."""

    def sam_image(self, image: Rgb, patch: int, sam: SamSizes) -> Rgb:
        """Return the encoder's input at long side 1024, the short side floored to whole patches (5.1).

        Raises:
            ImageError: so long and thin that no patch is left.
        """
        height, width = image_size(image)
        cells = sam.frame // patch
        if height >= width:
            size = Size(sam.frame, int(width * cells / height) * patch)
        else:
            size = Size(int(height * cells / width) * patch, sam.frame)
        if min(size) == 0:
            raise ImageError(
                f"Image is {image_size(image)}; the published refinement takes images up to {cells} "
                'times as long as wide. Use refine="corrected".'
            )
        return resize(image, size)

    def propose(self, coarse: CoarseResult, *, coarse_threshold: float, min_area: int) -> Proposals:
        """Return the regions of the half-size map (5.3, 5.4)."""
        labels, own, ignore = self.half_size(coarse, coarse_threshold)
        # At half size a region of n pixels stands for 4·n of the image.
        regions = label_regions(labels, own, ignore=ignore, min_area=-(-min_area // 4))
        return by_class(regions)

    def half_size(
        self, coarse: CoarseResult, threshold: float
    ) -> tuple[Int[np.ndarray, "g k"], Float[np.ndarray, "g k"], set[int]]:
        """Return labels and own-name probability at half size, and the labels that get no region.

        Labels below the threshold are 0. Label numbers pass through float16, as in the published code: above
        2048 names they change. Probabilities are resized twice, as there: where a map is flat, rounding says
        which pixel is the first of the most probable.
        """
        size = _half(coarse.size)
        passed = (coarse.labels.to(torch.float32) - 1).to(torch.float16)[None, None]
        labels = F.interpolate(passed, tuple(size), mode="nearest")[0, 0].to(torch.int32) + 1
        own = coarse.probabilities.new_zeros(size)
        top = own.clone()
        ignore = {0}
        for c in _present(coarse, labels):
            map_ = resize(resize(coarse.probabilities[c, None], coarse.size), size)[0]
            own = torch.where(labels == c + 1, map_, own)
            top = torch.maximum(top, map_)
            if float(map_.max()) < threshold:
                ignore.add(c + 1)
        if threshold > 0:
            labels.masked_fill_(top < threshold, 0)
        return labels.cpu().numpy(), own.float().cpu().numpy(), ignore

    def to_frame(
        self, xy: Float[Tensor, "*b 2"], proposals: Proposals, sam_size: Size, sam: SamSizes
    ) -> Float[Tensor, "*b 2"]:
        """Return coordinates times 1024/long side, as if the encoded image had not been floored (5.5)."""
        height, width = proposals.grid
        scaled = _long_side(proposals.grid, sam.frame)
        return xy * xy.new_tensor([scaled.width / width, scaled.height / height])

    def mask_prompts(
        self,
        coarse: CoarseResult,
        proposals: Proposals,
        chosen: slice,
        sam_size: Size,
        threshold: float,
        sam: SamSizes,
    ) -> Float[Tensor, "r k k"]:
        """Return the map of the region's name, shared by all regions of the name (5.5)."""
        size = _long_side(coarse.size, sam.mask_side)
        rows, columns = half_axes(coarse, size)
        names, which = np.unique(proposals.classes[chosen], return_inverse=True)
        maps = resample(coarse.probabilities[torch.from_numpy(names)], rows, columns)
        maps = torch.where(maps > threshold, maps, 0)
        padded = F.pad(maps, (0, sam.mask_side - size.width, 0, sam.mask_side - size.height))
        return padded[torch.from_numpy(which)]

    def embed_masks(self, sam: SamDecoder, masks: Float[Tensor, "r k k"]) -> Float[Tensor, "r c g g"]:
        """Return the embeddings with both channel norms taken along image rows (5.6).

        The published code passes the mask without a batch axis; its channel norms reduce axis 1, then
        the row axis.
        """
        embed = sam.prompt_encoder.mask_embed
        x = embed.conv1(masks[:, None].to(sam.dtype))
        x = embed.activation(_norm_rows(x, embed.layer_norm1.weight, embed.layer_norm1.bias))
        x = embed.conv2(x)
        x = embed.activation(_norm_rows(x, embed.layer_norm2.weight, embed.layer_norm2.bias))
        return embed.conv3(x)

    def settle(
        self, coarse: CoarseResult, merged: Merged, failed: Bool[Tensor, "H W"]
    ) -> tuple[Integer[Tensor, "H W"], Float[Tensor, "H W"]]:
        """Return the merged labels, coarse ones where no mask holds the pixel (5.9).

        The published fallback for failed regions never fires, so they raise the confidence only; confidence
        is zero wherever the coarse label stayed outside them.
        """
        labels = torch.where(merged.evidence > 0, merged.winners, coarse.labels)
        raised = torch.maximum(merged.evidence, coarse.confidence)
        return labels, torch.where(failed, raised, merged.evidence)


def _half(size: Size) -> Size:
    return Size(max(1, size.height // 2), max(1, size.width // 2))


def half_axes(coarse: CoarseResult, further: Size) -> tuple[Tensor, Tensor]:
    """Return the weights from the patch grid to full size, on to half size and to a further, per axis."""
    maps = coarse.probabilities
    sizes = zip(maps.shape[-2:], coarse.size, _half(coarse.size), further, strict=True)
    rows, columns = (linear_axis(*lengths, like=maps) for lengths in sizes)
    return rows, columns


def _present(coarse: CoarseResult, labels: Integer[Tensor, "g k"]) -> list[int]:
    """Return the names that matter at half size: any probability at all, or any pixel."""
    alive = coarse.probabilities.flatten(1).amax(dim=1) > 0
    seen = labels.unique().long()
    alive[seen[(seen > 0) & (seen <= len(alive))] - 1] = True
    return alive.nonzero()[:, 0].tolist()


def _long_side(size: Size, length: int) -> Size:
    scale = length / max(size)
    return Size(int(size.height * scale + 0.5), int(size.width * scale + 0.5))


def _norm_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, dim=-2, correction=0, keepdim=True)
    return (x - mean) / (variance + LAYER_NORM_EPS).sqrt() * weight[:, None, None] + bias[:, None, None]
