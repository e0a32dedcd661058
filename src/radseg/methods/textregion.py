"""TextRegion (arXiv 2505.23769): CLIP's values pooled inside SAM 2's masks; no windows.

Everything is text-free: what a region is and its feature come from the image alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.methods.base import window_bytes
from radseg.methods.shared.windowed import correlative_block
from radseg.models.image_tower import ImageTower
from radseg.models.sam2 import Sam2
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.nn.vit import Block, LastBlock, plain_values
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.region_masks import boxes_of, fuse, stability, suppress, without_global_patches
from radseg.ops.resize import image_size, resize
from radseg.types import FeatureMap, LanguageFeatures, Rgb, Size, TextEmbeddings

MAX_LOGIT = 3.0
"""Mask logits are cut here: a mask is sure enough."""
SMALLEST = 100 / 256**2
"""Masks of no more than this part of the image are dropped: 100 cells of the published 256 × 256."""


@dataclass(frozen=True)
class TextRegion:
    """Every region's feature is the projection of the sum of CLIP's values in it; a pixel adds its regions'.

    Differs from the published code: masks stay on SAM's grid instead of the image's, and where masks lie on
    each other the cosine takes the mean of their features where the published logits add up, so the winner is
    the same and the softmax is not sharper there (`PublishedTextRegion` adds). Very wide images are not cut
    in halves.

    Attributes:
        clip: the backbone whose values are pooled.
        sam: makes the masks.
        view: side in pixels of the square every view of the image is squeezed to.
        points: masks are asked for on a grid of points × points; 36 for street scenes in the paper.
        min_iou, min_stability: masks whose predicted IoU is not above, or stability below, are dropped.
        box_iou: of two masks whose boxes overlap by more, the one of less predicted IoU is dropped.
        min_locality: see `without_global_patches`.
        memory_budget: bytes of working memory; views go through CLIP a few at a time.
        pooled_values: "raw" pools the values as they are: the published code in float16, and its formula.
            "unit" pools them at length 1: the published code in float32 normalises them in place before.
        overshoot: what becomes of values beyond [0, 1] after the bicubic resizing of a view; the published
            code keeps them.
    """

    clip: ImageTower
    sam: Sam2
    view: int = 336
    points: int = 16
    min_iou: float = 0.6
    min_stability: float = 0.6
    box_iou: float = 0.9
    min_locality: float = 0.07
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    pooled_values: Literal["raw", "unit"] = "raw"
    overshoot: Literal["cut", "kept"] = "cut"

    def __post_init__(self) -> None:
        if self.view % self.clip.patch:
            raise InputError(f"view is {self.view}; it must be a multiple of {self.clip.patch} pixels.")
        if self.points < 1:
            raise InputError(f"points is {self.points}; at least 1 is needed.")

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.clip.space

    @property
    def side(self) -> int:
        """Patches to a side of a view."""
        return self.view // self.clip.patch

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one feature map per image, on SAM's mask grid."""
        return [LanguageFeatures(self._encode(image.to(self.clip.device)), self.space) for image in images]

    def _encode(self, image: Rgb) -> Float[Tensor, "e k k"]:
        tokens, shares = self.encode_regions(image)
        covered = torch.einsum("re,rhw->ehw", tokens, shares)
        rest = F.normalize(self.fallback(image, image_size(shares)), dim=0)
        return torch.where(shares.sum(dim=0) > 0, covered, rest)

    def encode_regions(self, image: Rgb) -> tuple[Float[Tensor, "r e"], Float[Tensor, "r k k"]]:
        """Return the unit feature of every region, and its share in [0, 1] of the cells of SAM's grid."""
        regions = self.regions(image).to(self.clip.device)
        canvas = self.canvas(*self.views(image), plain_values)
        small = F.interpolate(regions[:, None], canvas.shape[1:], mode="bilinear", align_corners=False)
        features, kept = self.region_features(small.flatten(1).clamp(0, 1), canvas.flatten(1).mT)
        return features, regions[kept].clamp(max=1)

    def region_features(
        self, masks: Float[Tensor, "r p"], values: Float[Tensor, "p d"]
    ) -> tuple[Float[Tensor, "s e"], Bool[Tensor, " r"]]:
        """Return the unit features of the regions that keep a patch, and which these are."""
        unit = unit_rows(values)
        local = without_global_patches(masks, unit, min_locality=self.min_locality)
        kept = local.sum(dim=1) > 0
        return self.pool(local[kept], unit if self.pooled_values == "unit" else values), kept

    def pool(self, masks: Float[Tensor, "r p"], values: Float[Tensor, "p d"]) -> Float[Tensor, "r e"]:
        """Return the unit language feature of every region: the sum of its values, projected and aligned."""
        last = self.clip.vit.blocks[-1]
        assert isinstance(last, Block)
        summed = last.attention.out((masks @ values).to(self.clip.dtype))
        return unit_rows(self.clip.to_language(summed))

    def regions(self, image: Rgb) -> Float[Tensor, "r k k"]:
        """Return SAM's soft masks in [0, 3], those of one object fused; wholes first, then parts."""
        found = self.sam.masks_of_grid(image, side=self.points)
        # Wholes, parts, sub-parts; the network gives them the other way round.
        logits = found.logits.flip(1).transpose(0, 1)
        scores = found.scores.flip(1).T
        level = torch.arange(3, device=scores.device)[:, None].expand_as(scores).flatten()
        masks, scores = logits.flatten(0, 1), scores.flatten()
        areas = (masks > 0).flatten(1).sum(dim=1)
        good = (scores > self.min_iou) & (stability(masks) >= self.min_stability)
        good &= areas > SMALLEST * masks[0].numel()
        masks, scores, level = masks[good], scores[good], level[good]
        boxes = boxes_of(masks > 0)
        left = suppress(boxes, scores, iou=self.box_iou)
        left = left[torch.sort(level[left], stable=True).indices]  # by level, inside by predicted IoU
        return fuse(masks[left].clamp(0, MAX_LOGIT), boxes[left])

    def views(self, image: Rgb) -> tuple[Float[Tensor, "n 3 H W"], Size]:
        """Return the whole image and its tiles as squares, and the rows and columns of tiles."""
        size = image_size(image)
        counts = Size(*(max(length // self.view, 1) for length in size))
        tiles = _tiles(size, counts)
        return torch.stack([self._square(v) for v in (image, *(image[:, r, c] for r, c in tiles))]), counts

    def canvas(self, views: Float[Tensor, "n 3 H W"], counts: Size, last_block: LastBlock) -> FeatureMap:
        """Return tokens of the whole image plus those of its tiles, on the tiles' joint patch grid."""
        side = self.side
        limit = max(1, self.memory_budget // 4 // window_bytes(self.clip, image_size(views)))
        tokens = torch.cat([self.clip.encode(some, last_block).patches for some in views.split(limit)])
        maps = tokens.float().mT.unflatten(-1, (side, side))
        whole = F.interpolate(
            maps[:1], (side * counts.height, side * counts.width), mode="bilinear", align_corners=False
        )[0]
        rows = maps[1:].unflatten(0, tuple(counts)).permute(2, 0, 3, 1, 4)
        return whole + rows.flatten(3).flatten(1, 2)

    def fallback(self, image: Rgb, size: Size) -> FeatureMap:
        """Return `sclip_canvas` at `size`: for what no mask covers."""
        return resize(self.sclip_canvas(*self.views(image)), size)

    def sclip_canvas(self, views: Float[Tensor, "n 3 H W"], counts: Size) -> FeatureMap:
        """Return the sum of the unit features SCLIP gives the views."""

        def aligned(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t e"]:
            return unit_rows(self.clip.to_language(correlative_block(block, tokens)))

        return self.canvas(views, counts, aligned)

    def _square(self, view: Rgb) -> Rgb:
        square = F.interpolate(
            view[None], (self.view, self.view), mode="bicubic", align_corners=False, antialias=True
        )
        return square[0].clamp(0, 1) if self.overshoot == "cut" else square[0]


@dataclass(frozen=True)
class PublishedTextRegion:
    """A Scorer that adds the cosines of regions which lie on each other, as published (methods spec 7).

    A cell's answer is Σ over regions of its share in the region · cosine of the region's feature. What no
    region covers gets SCLIP's cosines, those of the whole image and of its tiles added up. So an answer may
    be above 1, and the softmax is sharper there.

    Attributes:
        regions: finds the regions and their features.
    """

    regions: TextRegion

    @property
    def space(self) -> str:
        """Name of the text space."""
        return self.regions.space

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r k k"]]:
        """Return per image the sum of cosines of every text row, on SAM's mask grid."""
        text.require_space(self.space)
        rows = unit_rows(text.values.to(self.regions.clip.device))
        return [self._score(image.to(rows.device), rows) for image in images]

    def _score(self, image: Rgb, rows: Float[Tensor, "r e"]) -> Float[Tensor, "r k k"]:
        tokens, shares = self.regions.encode_regions(image)
        covered = torch.einsum("sr,shw->rhw", tokens @ rows.mT, shares)
        rest = torch.einsum("ehw,re->rhw", self.regions.fallback(image, image_size(shares)), rows)
        return torch.where(shares.sum(dim=0) > 0, covered, rest)


def _tiles(size: Size, counts: Size) -> list[tuple[slice, slice]]:
    """Return equal tiles that cover the image, row by row; the last ones end at the border."""
    spans = []
    for length, count in zip(size, counts, strict=True):
        tile = -(-length // count)
        starts = [min(i * tile, length - tile) for i in range(count)]
        spans.append([slice(start, start + tile) for start in starts])
    return [(rows, columns) for rows in spans[0] for columns in spans[1]]
