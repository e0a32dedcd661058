"""Talk2DINO (arXiv 2411.19331): DINOv2's own patches, and text brought to them by a trained map.

The image side is untouched; what is trained, on COCO 2014 captions, is the map of the text side
(`models/mapped_words.py`). So this method is not training-free, though papers list it with those that are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.methods.base import require_windows, slide_windows, window_bytes
from radseg.methods.shared.windowed import WindowedEncoder
from radseg.models.image_tower import ImageTower
from radseg.models.mapped_text_encoder import TALK2DINO
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.ops.resize import image_size, resize
from radseg.types import Rgb, Size, TextEmbeddings


@dataclass(frozen=True)
class Talk2DINO(WindowedEncoder):
    """Every patch is DINOv2's token after the final norm; text is mapped to its space.

    Differs from the published code, which averages sigmoids of cosines over windows, and stretches windows
    with aligned corners: monotone in the cosine, and near linear over its range. It squeezes smaller windows
    to 448 × 448; here they keep their shape. `PublishedTalk2DINO` does as it does.
    """

    backbone: ImageTower
    crop: int | None = 448
    stride: int = 224

    @property
    def space(self) -> str:
        """Name of the space the trained map lands in."""
        return TALK2DINO

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the features of every window."""
        return self.backbone.normalise(self.backbone.encode(crops).patches)


@dataclass(frozen=True)
class PublishedTalk2DINO:
    """A Scorer that averages windows as published: sigmoids of cosines, on pixels (methods spec 8).

    A window is squeezed to view × view pixels, the sigmoids of its patches' cosines are enlarged to it
    bilinearly with aligned corners, and every pixel has the mean over its windows. Given back is the cosine
    of that sigmoid: the order of the prompts is the published one, and the Segmenter's temperature means what
    it means elsewhere. Images need not be whole patches.

    Attributes:
        backbone: DINOv2.
        crop: window side in pixels, None for the whole image as one window.
        stride: step between windows in pixels.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
        view: side in pixels of what DINOv2 sees of a window.
    """

    backbone: ImageTower
    crop: int | None = 448
    stride: int = 224
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    view: int = 448

    def __post_init__(self) -> None:
        require_windows(size_divisor=1, crop=self.crop, stride=self.stride)
        if self.view % self.backbone.patch:
            raise InputError(f"view is {self.view}; it must be a multiple of {self.backbone.patch} pixels.")

    @property
    def space(self) -> str:
        """Name of the space the trained map lands in."""
        return TALK2DINO

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r H W"]]:
        """Return per image the cosine of every text row at every pixel."""
        text.require_space(self.space)
        rows = unit_rows(text.values.to(self.backbone.device))
        return [sigmoids.logit() for sigmoids in self.sigmoids(images, rows)]

    def sigmoids(self, images: Sequence[Rgb], rows: Float[Tensor, "r e"]) -> list[Float[Tensor, "r H W"]]:
        """Return per image and pixel the mean over windows of the sigmoid of every unit row's cosine."""
        return slide_windows(
            [image.to(self.backbone.device) for image in images],
            partial(self.window, rows=rows),
            patch=1,
            crop=self.crop,
            stride=self.stride,
            window_bytes=partial(self.window_bytes, rows=len(rows)),
            memory_budget=self.memory_budget,
        )

    def window(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p r"]:
        """Return the sigmoid of the cosine of every unit row at every pixel of every window."""
        sigmoids = self.cosines(crops, rows).sigmoid()
        pixels = F.interpolate(sigmoids, tuple(image_size(crops)), mode="bilinear", align_corners=True)
        return pixels.flatten(2).mT

    def cosines(
        self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]
    ) -> Float[Tensor, "n r h w"]:
        """Return the cosine of every unit row with every patch of every window's view."""
        side = self.view // self.backbone.patch
        views = resize(crops.flatten(0, 1), Size(self.view, self.view)).unflatten(0, (-1, 3))
        patches = unit_rows(self.backbone.normalise(self.backbone.encode(views).patches))
        return (patches @ rows.mT).mT.unflatten(-1, (side, side))

    def window_bytes(self, size: Size, rows: int) -> int:
        """Return the working memory of one window: a block's, and the rows' maps at its pixels, twice."""
        view = window_bytes(self.backbone, Size(self.view, self.view))
        return view + 2 * 4 * rows * size.height * size.width
