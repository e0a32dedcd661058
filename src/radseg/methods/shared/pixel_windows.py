"""Windows at any pixel, cosines enlarged before they are averaged: NACLIP's harness and its followers'."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.methods.shared.windowed import PromptedWindows, WindowedEncoder, grid_of, whole_cells
from radseg.models.image_tower import ImageTower
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.resize import image_size, resize
from radseg.types import Rgb, Size, TextEmbeddings


@dataclass(frozen=True)
class PixelWindows:
    """A Scorer around a method in windows: the size rules "pixel" and "pad" of the published codes on CLIP.

    Images keep their size; windows start at multiples of the stride in pixels, the last ends at the border.
    Pixels of a window beyond its whole cells are not seen, yet its cosines are enlarged bilinearly to the
    whole window, and every pixel has the mean over its windows (methods spec 1).

    Differs from the published codes in enlarging an image of which a side is below one patch; they fail.

    Attributes:
        encoder: whose windows' features, crop, stride and memory budget these are.
        multiple: windows are filled up to multiples of this, in pixels, on both sides alike, with what CLIP's
            normalisation makes 0; cosines are cut to the window. 1 fills nothing up; 56 in ProxyCLIP's code.
    """

    encoder: WindowedEncoder | PromptedWindows
    multiple: int = 1

    @property
    def space(self) -> str:
        """Name of the text space it compares in."""
        return self.encoder.space

    @property
    def feature_stride(self) -> int:
        """Side in pixels of a cell of what `score` gives."""
        return 1

    def encoding_bytes(self, size: Size, budget: int) -> int:
        """Return the bytes that windows take; the rows' maps at pixels are counted where they are decided."""
        return self.encoder.encoding_bytes(size, budget)

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r H W"]]:
        """Return per image the mean over windows of the cosine of every text row, at every pixel."""
        text.require_space(self.space)
        rows = unit_rows(text.values.to(self.encoder.backbone.device))
        return self.encoder.stitched_in_cells(
            [self.prepare(image) for image in images],
            partial(self.window, rows=rows),
            cell=1,
            window_bytes=partial(self.window_bytes, rows=len(rows)),
        )

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` on the backbone's device, with at least one patch of every network."""
        least = max(network.patch for network in self.encoder.backbones)
        size = image_size(image)
        enlarged = Size(max(size.height, least), max(size.width, least))
        return resize(image.to(self.encoder.backbone.device), enlarged)

    def window(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p r"]:
        """Return the cosine of every unit row at every pixel of every window."""
        size, filled = image_size(crops), self.filled_up(crops)
        cell = self.encoder.feature_stride
        cosines = unit_rows(self.features(whole_cells(filled, cell), rows)) @ rows.mT
        maps = cosines.mT.unflatten(-1, tuple(grid_of(filled, cell)))
        pixels = F.interpolate(maps, tuple(image_size(filled)), mode="bilinear")
        top, left = self.beside(size.height) // 2, self.beside(size.width) // 2
        return pixels[..., top : top + size.height, left : left + size.width].flatten(2).mT

    def features(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p e"]:
        """Return the method's language features of windows of whole cells."""
        if isinstance(self.encoder, PromptedWindows):
            return self.encoder.window(crops, rows)
        return self.encoder.window(crops)

    def filled_up(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n 3 h w"]:
        """Return the windows in the middle of CLIP's mean colour, sides of `multiple`."""
        height, width = image_size(crops)
        below, beside = self.beside(height), self.beside(width)
        if not below and not beside:
            return crops
        clip = self.encoder.backbone
        assert isinstance(clip, ImageTower)
        mean = clip.conditioner.mean[:, None, None]
        canvas = mean.expand(len(crops), 3, height + below, width + beside).clone()
        top, left = below // 2, beside // 2
        canvas[..., top : top + height, left : left + width] = crops
        return canvas

    def beside(self, side: int) -> int:
        """Return the pixels that a window's side lacks to `multiple`."""
        return -side % self.multiple

    def window_bytes(self, size: Size, rows: int) -> int:
        """Return the working memory of one window: a block's, and the rows' maps at its pixels, twice."""
        filled = Size(*(side + self.beside(side) for side in size))
        return self.encoder.window_bytes(filled) + 2 * 4 * rows * filled.height * filled.width
