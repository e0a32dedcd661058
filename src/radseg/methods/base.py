"""What all methods share: the protocols they fulfil and the sliding-window pass over several images."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from radseg.errors import InputError
from radseg.models.base import PatchBackbone
from radseg.modes import AT_PIXELS, DEFAULT_MEMORY_BUDGET, SizeRule
from radseg.nn.vit import LastBlock, standard_block
from radseg.ops.resize import image_size, round_to_patch, round_up_to_stride
from radseg.ops.windows import Stitcher, crop_windows, plan_windows
from radseg.types import FeatureMap, LanguageFeatures, Rgb, Size, TextEmbeddings, Window


class DenseEncoder(Protocol):
    """Anything that turns images into language-aligned feature maps."""

    @property
    def space(self) -> str:
        """Name of the text space of the features."""

    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one feature map per image; no result depends on the other images."""


@runtime_checkable
class MeasuredMethod(Protocol):
    """A method that knows what memory it takes; of another one the network's share of a budget is unknown."""

    def encoding_bytes(self, size: Size, budget: int) -> int:
        """Return the bytes that the features of an image of `size` pixels take under a memory budget."""


@runtime_checkable
class BackboneEncoder(DenseEncoder, Protocol):
    """An encoder that aligns its finished map with language last, so that maps can be averaged before.

    Alignment is not linear: features of many frames are averaged in backbone space, and what was averaged is
    aligned (mapping spec 2.8). `encode` gives what `align` says of every patch of `encode_backbone`.
    """

    @property
    def backbone_space(self) -> str:
        """Name of the space before alignment: "backbone:" and the version of the network."""

    def encode_backbone(self, images: Sequence[Rgb]) -> list[FeatureMap]:
        """Return one map per image before alignment; no result depends on the other images."""

    def align(self, values: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Return features of `backbone_space`, from wherever they lie, in the text space `space`."""


def align_map(
    align: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n e"]], features: FeatureMap
) -> Float[Tensor, "e h w"]:
    """Return a map with every patch aligned."""
    return align(features.flatten(1).mT).mT.unflatten(1, features.shape[1:])


@runtime_checkable
class Scorer(Protocol):
    """A text-dependent method: it needs the prompts to compute the features of a patch.

    It has no features without prompts, so nothing of it can be kept for later (no feature maps in 3D, no
    image of features). `require_features` is where such uses refuse it.
    """

    @property
    def space(self) -> str:
        """Name of the text space it compares in."""

    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
        """Return per image the cosine of every text row on a grid of the method's choice.

        Or a sum of cosines, where a published code adds them up: then a value may be beyond 1. No result
        depends on the other images; every result may depend on all rows.
        """


def require_features(method: DenseEncoder | Scorer, purpose: str) -> DenseEncoder:
    """Return `method` if it has features without prompts.

    Args:
        purpose: what they are needed for, in the message: "A feature map", "Saving features".

    Raises:
        InputError: it is a Scorer.
    """
    if isinstance(method, Scorer):
        raise InputError(
            f"{purpose} needs features that do not depend on the prompts; {type(method).__name__} reads the "
            "prompts while it encodes the image. Use a vocabulary-free method such as RADSeg, or keep its "
            "probabilities."
        )
    return method


def encoded(method: DenseEncoder, images: Sequence[Rgb]) -> list[LanguageFeatures]:
    """Return what a method makes of the images, or say in what it breaks the protocol: it may be anybody's.

    Raises:
        InputError: not one LanguageFeatures "e h w" per image, in the method's space.
    """
    found = method.encode(images)
    name, right = type(method).__name__, 'one LanguageFeatures with values "e h w" per image'
    if not isinstance(found, Sequence) or len(found) != len(images):
        count = f"{len(found)} values" if isinstance(found, Sequence) else type(found).__name__
        raise InputError(f"{name}.encode gave {count} for {len(images)} images; it must give {right}.")
    for one in found:
        if not isinstance(one, LanguageFeatures):
            raise InputError(f"{name}.encode gave {_kind(one)}; it must give {right}.")
        if one.values.ndim != 3 or one.space != method.space:
            raise InputError(
                f"{name}.encode gave {_kind(one.values)} in space {one.space!r}; it must give {right}, "
                f"in its space {method.space!r}."
            )
    return found


def scored(method: Scorer, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
    """Return the scores that a text-dependent method gives, or say in what it breaks the protocol.

    Raises:
        InputError: not one tensor per image with a row per text row.
    """
    found, rows = method.score(images, text), len(text.row_class)
    name, right = type(method).__name__, f'one tensor "r h w" with r = {rows} per image'
    if not isinstance(found, Sequence) or len(found) != len(images):
        count = f"{len(found)} values" if isinstance(found, Sequence) else type(found).__name__
        raise InputError(f"{name}.score gave {count} for {len(images)} images; it must give {right}.")
    for one in found:
        if not isinstance(one, Tensor) or one.ndim != 3 or one.shape[0] != rows:
            raise InputError(f"{name}.score gave {_kind(one)}; it must give {right}.")
    return found


def _kind(value: object) -> str:
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
    return f"a {type(value).__name__}{shape}"


def window_size(size: Size, *, size_divisor: int, crop: int | None, stride: int, size_rule: SizeRule) -> Size:
    """Return the legal size for an image of `size`: both sides multiples of `size_divisor`, by the rule.

    Raises:
        InputError: a rule that leaves images their size; `shared.pixel_windows.PixelWindows` has those.
    """
    if size_rule in AT_PIXELS:
        raise InputError(f"size_rule {size_rule!r} gives no map of features; build PixelWindows around it.")
    if size_rule == "up":
        return round_up_to_stride(size, stride=size_divisor, crop=size_divisor)
    if size_rule == "stride" and crop is not None:
        return round_up_to_stride(size, stride=stride, crop=crop)
    return round_to_patch(size, size_divisor)


def require_windows(*, size_divisor: int, crop: int | None, stride: int) -> None:
    """Raise InputError unless crop and stride are positive multiples of `size_divisor` without gaps."""
    for name, length in (("crop", crop), ("stride", stride)):
        if length is not None and (length < size_divisor or length % size_divisor):
            raise InputError(f"{name} is {length}; it must be a positive multiple of {size_divisor} pixels.")
    if crop is not None and stride > crop:
        raise InputError(f"stride {stride} is beyond crop {crop}: patches between windows would be left out.")


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
    features: Callable[..., Float[Tensor, "n p e"]],
    *beside: Sequence[Shaped[Tensor, "c h w"]],
    patch: int,
    crop: int | None,
    stride: int,
    window_bytes: Callable[[Size], int],
    memory_budget: int = DEFAULT_MEMORY_BUDGET,
) -> list[FeatureMap]:
    """Return the stitched map of what `features` says of every window, for methods of several backbones.

    Args:
        features: a batch of equal-size windows "n 3 H W", and what lies beside them, to features on their
            grid of `patch`; no window's result may depend on the others.
        beside: maps of the whole images on that grid, one per image; each is cut as the image is and
            given to `features` as "n c h w".
        patch: side of a cell of that grid in pixels; image sides, crop and stride must be multiples of it.
        window_bytes: working memory of one window, given its size in pixels.
    """
    grids = [Size(s.height // patch, s.width // patch) for s in map(image_size, images)]
    stitchers = [Stitcher(grid) for grid in grids]
    for size, windows in _windows_by_size(grids, patch=patch, crop=crop, stride=stride).items():
        limit = max(1, memory_budget // 4 // window_bytes(Size(size.height * patch, size.width * patch)))
        for batch in _batches(windows, limit):
            cut = [
                torch.cat([crop_windows(maps[i], group, patch=side) for i, group in batch])
                for maps, side in ((images, patch), *((maps, 1) for maps in beside))
            ]
            parts = features(*cut).split([len(group) for _, group in batch])
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
