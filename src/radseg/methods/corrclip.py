"""CorrCLIP (arXiv 2411.10086): CLIP's values mixed by another network's similarity in SAM 2's regions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.methods.base import slide_windows
from radseg.methods.shared.windowed import WindowedEncoder, grid_of, on_grid
from radseg.models.base import PatchBackbone
from radseg.models.image_tower import ImageTower
from radseg.models.sam2_regions import Sam2Regions
from radseg.nn.vit import Block, project_values
from radseg.ops.attention import softmax_attention
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.region_masks import paint
from radseg.ops.resize import image_size, resize
from radseg.ops.scope import merge_regions, scoped_attention
from radseg.types import LanguageFeatures, Rgb, Size


@dataclass(frozen=True)
class CorrCLIP(WindowedEncoder):
    """Three streams of unlike reach, each through CLIP's final norm, added and projected.

    Main: values of the last block, mixed by `scoped_attention`; no residual, no MLP, no CLS. Spatial: the
    mean of inner layers through the same values and weights. Semantic: per region a copy of CLS that, from
    the first block on, looks at CLS and at its region's patches alone; the area without a region has a copy
    too. In a window that masks cover wholly the region of the lowest number counts as that area, as in the
    published code.

    Patches never look at the copies, so the copies walk beside the ordinary transformer instead of in it.

    Differs from the published code: SAM sees the image at the size the windows get, where there it sees the
    file; windows are not padded. Its last step, one name per region, is `refine.region_labels`.

    Attributes:
        vfm: whose similarity it is: DINO B/8 in the paper, C-RADIOv3 in its second version.
        regions: finds SAM 2's regions in the whole image.
        sees: "windows": `vfm` sees each window, and its last queries + keys are compared (paper). "image":
            it sees the whole image once, and its last tokens are compared (second version).
        temperature: of the cosines, 4.
        merge_within: regions of a window whose mean features are this near are one; see `merge_regions`.
        spatial, semantic: weights of the two further streams.
        layers: outputs of blocks, from 1, whose mean is the spatial stream; None takes `spatial_layers`.
    """

    crop: int | None = 336
    vfm: PatchBackbone = field(kw_only=True)
    regions: Sam2Regions = field(kw_only=True)
    sees: Literal["windows", "image"] = "windows"
    temperature: float = 4.0
    merge_within: float = 0.2
    spatial: float = 1.0
    semantic: float = 0.5
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sees == "image" and self.backbone.patch % 2:
            raise InputError(f"A patch of {self.backbone.patch} pixels cannot be halved for sees='image'.")
        assert isinstance(self.backbone, ImageTower)
        last = len(self.backbone.vit.blocks) - 1
        if self.layers is not None and not (self.layers and set(self.layers) <= set(range(1, last + 1))):
            raise InputError(
                f"layers is {self.layers}; it names outputs of blocks from 1 to {last}, at least one."
            )

    @property
    def backbones(self) -> tuple[PatchBackbone, ...]:
        """The networks that look at windows."""
        return (self.backbone, self.vfm) if self.sees == "windows" else (self.backbone,)

    @property
    def feature_stride(self) -> int:
        """Side in pixels of a cell of the feature map: the other network's patch, or half of CLIP's."""
        return self.vfm.patch if self.sees == "windows" else self.backbone.patch // 2

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        prepared = [self.prepare(image) for image in images]
        grids = [Size(*(side // self.feature_stride for side in image_size(image))) for image in prepared]
        masks = [self.regions(image).to(image.device) for image in prepared]
        sizes = map(image_size, prepared)
        beside = [[self.cells_of(paint(*pair)) for pair in zip(masks, sizes, strict=True)]]
        if self.sees == "image":
            beside.append(
                [self.spatial_tokens(image, grid) for image, grid in zip(prepared, grids, strict=True)]
            )
        maps = slide_windows(
            prepared,
            lambda *window: unit_rows(self.window(*window)),
            *beside,
            patch=self.feature_stride,
            crop=self.crop,
            stride=self.stride,
            window_bytes=self.window_bytes,
            memory_budget=self.memory_budget,
        )
        return [LanguageFeatures(one, self.space, found) for one, found in zip(maps, masks, strict=True)]

    def cells_of(self, regions: Int[Tensor, "H W"]) -> Int[Tensor, "1 h w"]:
        """Return the region of every cell by nearest sampling, as published: that of its top left pixel."""
        grid = tuple(side // self.feature_stride for side in regions.shape)
        return nearest_cells(regions[None], Size(*grid))

    def spatial_tokens(self, image: Rgb, grid: Size) -> Float[Tensor, "d h w"]:
        """Return the other network's tokens of the whole image, enlarged until a cell is a patch of its."""
        seen = resize(image, Size(*(side * self.vfm.patch for side in grid)))
        return self.vfm.encode(seen[None]).patches[0].mT.unflatten(-1, tuple(grid))

    def window(
        self,
        crops: Float[Tensor, "n 3 H W"],
        regions: Int[Tensor, "n 1 h w"] | None = None,
        seen: Float[Tensor, "n d h w"] | None = None,
    ) -> Float[Tensor, "n p e"]:
        """Return the language features of every window on the grid of `feature_stride`.

        Args:
            regions: number of the region at every cell, 0 for none; None where no region lies anywhere.
            seen: what `spatial_tokens` gives, cut to the window; None where that network sees windows.
        """
        main, spatial, semantic = map(self.backbone.to_language, self.streams(crops, regions, seen))
        return main + self.spatial * spatial + self.semantic * semantic

    def streams(
        self,
        crops: Float[Tensor, "n 3 H W"],
        regions: Int[Tensor, "n 1 h w"] | None = None,
        seen: Float[Tensor, "n d h w"] | None = None,
    ) -> tuple[Float[Tensor, "n p d"], Float[Tensor, "n p d"], Float[Tensor, "n p d"]]:
        """Return the main, spatial and semantic stream of every cell before the final norm; see `window`."""
        cells = grid_of(crops, self.feature_stride)
        features = self.vfm.encode(crops, query_plus_key).patches if seen is None else seen.flatten(2).mT
        found = crops.new_zeros(len(crops), cells.height * cells.width, dtype=torch.int64)
        if regions is not None:
            unit = unit_rows(features)
            pairs = zip(regions.flatten(1), unit, strict=True)
            found = torch.stack([merge_regions(*pair, within=self.merge_within) for pair in pairs])
        main, spatial, copies = self._streams(crops, found, cells)
        mixed = scoped_attention(
            features,
            torch.cat([main, spatial], dim=-1),
            found,
            temperature=self.temperature,
            block_bytes=self.memory_budget // 16,
        )
        main, spatial = mixed.chunk(2, dim=-1)
        # A cell has the copy of its patch's region, which need not be the cell's own: as published.
        of_patches = nearest_cells(found.unflatten(-1, tuple(cells)), grid_of(crops, self.backbone.patch))
        named = nearest_cells(of_patches, cells).flatten(1)
        return main, spatial, copies.gather(1, named[..., None].expand(-1, -1, copies.shape[-1]))

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window: the block's, and two streams before and after mixing."""
        cells = (size.height // self.feature_stride) * (size.width // self.feature_stride)
        return super().window_bytes(size) + 4 * cells * 2 * self.backbone.width * 4

    def _streams(
        self, crops: Float[Tensor, "n 3 H W"], regions: Int[Tensor, "n p"], cells: Size
    ) -> tuple[Float[Tensor, "n p d"], Float[Tensor, "n p d"], Float[Tensor, "n r d"]]:
        """Return last values of x_{L-1} and of the mean of inner layers per cell, and the regions' tokens."""
        clip, grid = self.backbone, grid_of(crops, self.backbone.patch)
        assert isinstance(clip, ImageTower)
        layers = self.layers or spatial_layers(len(clip.vit.blocks))
        bias = member_bias(regions, cells, grid)
        copies: Tensor | None = None
        inner = torch.zeros((), device=clip.device)
        for number, (block, tokens) in enumerate(clip.vit.steps(clip.pixels(crops))):
            start = tokens[:, :1].expand(-1, bias.shape[2], -1) if copies is None else copies
            copies = cross_attend(block, start, tokens, bias)
            if number in layers:
                inner = inner + tokens.float() / len(layers)
        assert copies is not None
        # What the loop leaves is the last block and x_{L-1}.
        main, spatial = (
            on_grid(project_values(block, stream)[:, clip.prefix_tokens :], grid, cells)
            for stream in (tokens, inner.to(tokens))
        )
        return main, spatial, copies


def spatial_layers(depth: int) -> tuple[int, ...]:
    """Return the spatial stream's layers: 6 to 10 of 12, 11 to 22 of 24 (published), else as of 12 (ours)."""
    if depth == 24:
        return tuple(range(11, 23))
    first, last = (max(1, min(round(layer * depth / 12), depth - 1)) for layer in (6, 10))
    return tuple(range(first, last + 1))


def query_plus_key(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the sum of the block's queries and keys, heads side by side."""
    queries, keys, _ = block.attention.project(block.norm1(tokens))
    return (queries + keys).transpose(1, 2).flatten(-2)


def member_bias(regions: Int[Tensor, "n p"], cells: Size, grid: Size) -> Float[Tensor, "n 1 r t"]:
    """Return what is added to the logits of the copies: 0 for CLS and the region's patches, −inf for others.

    The first copy is that of the area without a region. A patch belongs to one region, by nearest sampling of
    the cells. Regions are numbered per window; the copies that a window does not need see CLS alone and are
    not read.
    """
    numbers = torch.arange(int(regions.max()) + 1, device=regions.device)
    patches = nearest_cells(regions.unflatten(-1, tuple(cells)), grid).flatten(1)
    seen = F.pad(patches[:, None] == numbers[:, None], (1, 0), value=True)
    return torch.where(seen, 0.0, -torch.inf)[:, None]


def nearest_cells(regions: Int[Tensor, "n H W"], grid: Size) -> Int[Tensor, "n h w"]:
    """Return the regions on another grid by nearest sampling: source index = floor(i · in / out)."""
    return F.interpolate(regions[:, None].double(), tuple(grid), mode="nearest")[:, 0].to(regions.dtype)


def cross_attend(
    block: Block,
    copies: Float[Tensor, "n r d"],
    tokens: Float[Tensor, "n t d"],
    bias: Float[Tensor, "n 1 r t"],
) -> Float[Tensor, "n r d"]:
    """Return the copies after the block: they bring the queries, `tokens` the keys and values."""
    attention = block.attention
    queries, _, _ = attention.project(block.norm1(copies))
    _, keys, values = attention.project(block.norm1(tokens))
    attended = attention.merge(softmax_attention(queries, keys, values, bias=bias))
    return block.add_mlp(block.add_attention(copies, attended))
