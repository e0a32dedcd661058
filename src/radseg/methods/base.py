"""What all methods share: the protocols they fulfil and the sliding-window pass over several images."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.models.base import PatchBackbone
from radseg.models.radio import Radio
from radseg.nn.vit import Block, LastBlock, standard_block
from radseg.ops.attention import key_key_attention
from radseg.ops.resize import image_size, resize, round_to_patch, round_up_to_stride
from radseg.ops.windows import Stitcher, crop_windows, plan_windows
from radseg.types import FeatureMap, LanguageFeatures, Rgb, Size, TextEmbeddings, Window

DEFAULT_MEMORY_BUDGET = 2**30
"""Bytes of working memory that one call may use beside weights, inputs and outputs."""


class DenseEncoder(Protocol):
    """Anything that turns images into language-aligned feature maps."""

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        ...

    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one feature map per image; no result depends on the other images."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A text-dependent method: it looks at the words before it knows what a patch is.

    It has no features without words, so nothing of it can be kept and asked later (no feature maps in 3D, no
    picture of features). `require_features` is where such uses refuse it.
    """

    @property
    def space(self) -> str:
        """Name of the text space it compares in."""
        ...

    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
        """Return per image the cosine of every text row on a grid of the method's choice.

        No result depends on the other images; every result may depend on all rows.
        """
        ...


def require_features(method: DenseEncoder | Scorer, purpose: str) -> DenseEncoder:
    """Return `method` if it has features without words.

    Args:
        purpose: what they are needed for, in the message: "A feature map", "Saving features".

    Raises:
        InputError: it is a Scorer.
    """
    if isinstance(method, Scorer):
        raise InputError(
            f"{purpose} needs features that do not depend on the words; {type(method).__name__} looks at the "
            "words while it looks at the picture. Use a vocabulary-free method such as RADSeg, or keep its "
            "probabilities."
        )
    return method


def slide(
    backbone: PatchBackbone,
    images: Sequence[Rgb],
    *,
    crop: int | None,
    stride: int,
    last_block: LastBlock = standard_block,
    map_patches: Callable[[Float[Tensor, "n p d"]], Float[Tensor, "n p e"]] | None = None,
    memory_budget: int = DEFAULT_MEMORY_BUDGET,
) -> list[FeatureMap]:
    """Return the stitched patch features of every image, sides multiples of the patch.

    Windows of equal size, from whichever image, go through the backbone together, as many as a quarter of the
    memory budget holds.

    Args:
        crop: window side in pixels; None takes each image as one window.
        stride: step between windows in pixels; crop and stride must be multiples of the patch.
        map_patches: applied to every batch of window features before stitching.
    """

    def features(crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        patches = backbone.encode(crops, last_block).patches
        return patches if map_patches is None else map_patches(patches)

    return slide_windows(
        images,
        features,
        patch=backbone.patch,
        crop=crop,
        stride=stride,
        window_bytes=lambda size: window_bytes(backbone, size),
        memory_budget=memory_budget,
    )


def slide_windows(
    images: Sequence[Rgb],
    features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p e"]],
    *,
    patch: int,
    crop: int | None,
    stride: int,
    window_bytes: Callable[[Size], int],
    memory_budget: int = DEFAULT_MEMORY_BUDGET,
) -> list[FeatureMap]:
    """Return the stitched map of what `features` says of every window, for methods of several backbones.

    Args:
        features: a batch of equal-size windows to features on their grid of `patch`; no window's result may
            depend on the others.
        patch: side of a cell of that grid in pixels; image sides, crop and stride must be multiples of it.
        window_bytes: working memory of one window, given its size in pixels.
    """
    grids = [Size(s.height // patch, s.width // patch) for s in map(image_size, images)]
    stitchers = [Stitcher(grid) for grid in grids]
    for size, windows in _windows_by_size(grids, patch=patch, crop=crop, stride=stride).items():
        limit = max(1, memory_budget // 4 // window_bytes(Size(size.height * patch, size.width * patch)))
        for batch in _batches(windows, limit):
            crops = [crop_windows(images[i], group, patch=patch) for i, group in batch]
            parts = features(torch.cat(crops)).split([len(group) for _, group in batch])
            for (i, group), patches in zip(batch, parts, strict=True):
                stitchers[i].add(group, patches)
    return [stitcher.mean() for stitcher in stitchers]


def _windows_by_size(
    grids: Sequence[Size], *, patch: int, crop: int | None, stride: int
) -> dict[Size, list[tuple[int, Window]]]:
    """Return the windows of all images as (image index, window), by their size in patches."""
    by_size: dict[Size, list[tuple[int, Window]]] = defaultdict(list)
    for i, grid in enumerate(grids):
        side = max(grid) if crop is None else crop // patch
        step = side if crop is None else stride // patch
        for window in plan_windows(grid, crop=side, stride=step):
            by_size[Size(window.height, window.width)].append((i, window))
    return by_size


def _batches(
    windows: Sequence[tuple[int, Window]], limit: int
) -> Iterator[list[tuple[int, tuple[Window, ...]]]]:
    """Yield at most `limit` windows at a time as (image index, its windows in this batch)."""
    for start in range(0, len(windows), limit):
        grouped: dict[int, list[Window]] = defaultdict(list)
        for i, window in windows[start : start + limit]:
            grouped[i].append(window)
        yield [(i, tuple(group)) for i, group in grouped.items()]


def window_bytes(backbone: PatchBackbone, size: Size) -> int:
    """Return the bytes alive for one window of `size` pixels at the widest point of a block.

    That is the MLP's hidden layer before and after its activation.
    """
    patches = (size.height // backbone.patch) * (size.width // backbone.patch)
    channels = 2 * backbone.mlp_width + 4 * backbone.width
    return (patches + backbone.prefix_tokens) * channels * backbone.dtype.itemsize


SizeRule = Literal["patch", "stride"]


@dataclass(frozen=True)
class RadioWindows:
    """What methods on RADIO share: legal sizes, windows, one stitched map, alignment with language last.

    The harness in which the paper compares them (RADSeg Table 5).

    Attributes:
        radio: the backbone with its language adaptor.
        crop: window side in pixels, None for the whole image as one window.
        stride: step between windows in pixels.
        size_rule: "patch" takes the nearest multiples of the patch, so the picture keeps its shape;
            "stride" is the reference's rounding up to the stride, which distorts by up to 25 % (spec 4.1).
        aggregate: what is done with the stitched map, such as SCGA; None leaves it.
        memory_budget: bytes of working memory beside weights, inputs and outputs.
    """

    radio: Radio
    crop: int | None = 336
    stride: int = 224
    size_rule: SizeRule = "patch"
    aggregate: Callable[[FeatureMap], FeatureMap] | None = None
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def __post_init__(self) -> None:
        patch = self.radio.patch
        for name, length in (("crop", self.crop), ("stride", self.stride)):
            if length is not None and (length < patch or length % patch):
                raise InputError(f"{name} is {length}; it must be a positive multiple of {patch} pixels.")
        if self.crop is not None and self.stride > self.crop:
            raise InputError(
                f"stride {self.stride} is beyond crop {self.crop}: patches between windows would be left out."
            )

    @property
    def space(self) -> str:
        """Name of the text space of the features."""
        return self.radio.space

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window of `size` pixels."""
        return window_bytes(self.radio, size)

    def prepare(self, image: Rgb) -> Rgb:
        """Return `image` at the size the windows need, on the backbone's device."""
        size = image_size(image)
        if self.size_rule == "stride" and self.crop is not None:
            target = round_up_to_stride(size, stride=self.stride, crop=self.crop)
        else:
            target = round_to_patch(size, self.radio.patch)
        return resize(image.to(self.radio.device), target)

    def stitched(
        self, images: Sequence[Rgb], features: Callable[[Float[Tensor, "n 3 H W"]], Float[Tensor, "n p d"]]
    ) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images, given what a window's features are."""
        maps = slide_windows(
            images,
            features,
            patch=self.radio.patch,
            crop=self.crop,
            stride=self.stride,
            window_bytes=self.window_bytes,
            memory_budget=self.memory_budget,
        )
        return maps if self.aggregate is None else [self.aggregate(m) for m in maps]

    def align(self, features: FeatureMap) -> Float[Tensor, "e h w"]:
        """Return the map in language space: the CLS adaptor applied to every patch (RADSeg §3.2)."""
        tokens = features.flatten(1).mT.to(self.radio.dtype)
        # Blocks of patches: the adaptor's hidden layer may use an eighth of the budget.
        rows = max(1, self.memory_budget // 8 // (2048 * tokens.element_size()))
        aligned = torch.cat([self.radio.to_language(part) for part in tokens.split(rows)])
        return aligned.float().mT.unflatten(1, features.shape[1:])


@dataclass(frozen=True)
class RadioMethod(RadioWindows):
    """Plain RADIO; a method is a subclass that says what else a window's features are."""

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the features of equal-size windows, to be stitched: here RADIO's own patches."""
        return self.radio.encode(crops).patches

    @torch.inference_mode()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one language-aligned feature map per image."""
        maps = self.encode_backbone([self.prepare(image) for image in images])
        return [LanguageFeatures(self.align(m), self.space) for m in maps]

    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return the stitched and aggregated maps of prepared images."""
        return self.stitched(images, self.window_features)


Tail = Literal["full", "reduced"]
"""What follows an attention put in place of a block's own: "full" adds residual and MLP as the block does;
"reduced" gives the attention's (scaled) output alone, as the methods on CLIP do (ClearCLIP, NACLIP)."""


def finish_block(
    block: Block, tokens: Float[Tensor, "n t d"], attended: Float[Tensor, "n t d"], tail: Tail
) -> Float[Tensor, "n t d"]:
    """Return what leaves a block whose attention over `tokens` gave `attended`, projection included."""
    if tail == "reduced":
        return block.add_attention(torch.zeros_like(tokens), attended)
    return block.add_mlp(block.add_attention(tokens, attended))


@dataclass(frozen=True, eq=False)
class KeyKeyBlock:
    """A last block whose tokens attend by the likeness of their keys, softmax(KKᵀ/√k + bias)V.

    Attributes:
        bias: added to the logits of every head; see `neighbour_bias`.
        tail: what follows the attention.
    """

    bias: Float[Tensor, "t t"] | None = None
    tail: Tail = "full"

    def __call__(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block."""
        _, keys, values = block.attention.project(block.norm1(tokens))
        attended = block.attention.merge(key_key_attention(keys, values, bias=self.bias))
        return finish_block(block, tokens, attended, self.tail)
