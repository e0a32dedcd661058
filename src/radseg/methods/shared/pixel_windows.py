"""Windows at any pixel, cosines enlarged before they are averaged: NACLIP's harness and its followers'."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.methods.base import slide_windows
from radseg.methods.shared.windowed import WindowedEncoder, grid_of
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.resize import image_size
from radseg.types import Rgb, Size, TextEmbeddings


@dataclass(frozen=True)
class PixelWindows:
    """A Scorer around a method in windows: the size rule "pixel" of the published codes on CLIP.

    Images keep their size; windows start at multiples of the stride in pixels, the last ends at the border.
    Pixels of a window beyond its whole patches are not seen, yet its cosines are enlarged bilinearly to the
    whole window, and every pixel has the mean over its windows (methods spec 1).

    Attributes:
        encoder: whose windows' features, crop, stride and memory budget these are.
    """

    encoder: WindowedEncoder

    @property
    def space(self) -> str:
        """Name of the text space it compares in."""
        return self.encoder.space

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r H W"]]:
        """Return per image the mean over windows of the cosine of every text row, at every pixel."""
        text.require_space(self.space)
        method = self.encoder
        rows = unit_rows(text.values.to(method.backbone.device))
        return slide_windows(
            [image.to(method.backbone.device) for image in images],
            partial(self.window, rows=rows),
            patch=1,
            crop=method.crop,
            stride=method.stride,
            window_bytes=partial(self.window_bytes, rows=len(rows)),
            memory_budget=method.memory_budget,
        )

    def window(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p r"]:
        """Return the cosine of every unit row at every pixel of every window."""
        patch = self.encoder.backbone.patch
        grid = grid_of(crops, patch)
        seen = crops[..., : grid.height * patch, : grid.width * patch]
        cosines = unit_rows(self.encoder.window(seen)) @ rows.mT
        pixels = F.interpolate(
            cosines.mT.unflatten(-1, tuple(grid)), tuple(image_size(crops)), mode="bilinear"
        )
        return pixels.flatten(2).mT

    def window_bytes(self, size: Size, rows: int) -> int:
        """Return the working memory of one window: a block's, and the rows' maps at its pixels, twice."""
        return self.encoder.window_bytes(size) + 2 * 4 * rows * size.height * size.width
