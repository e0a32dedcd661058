"""What all methods share: the protocols they fulfil and the sliding-window pass over several images."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.models.radio import Radio
from radseg.nn.vit import LastBlock, standard_block
from radseg.ops.resize import image_size
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

    It has no features without words, so nothing of it can be stored and asked later (no feature maps in 3D,
    no picture of features). `require_features` is where such uses refuse it.
    """

    @property
    def space(self) -> str:
        """Name of the text space of the words it understands."""
        ...

    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "c h w"]]:
        """Return per image the cosine of every name, of its best synonym, on a grid of the method's choice.

        No result depends on the other images; every result may depend on all names.
        """
        ...


def require_features(method: DenseEncoder | Scorer) -> DenseEncoder:
    """Return `method` where it has features without words.

    Raises:
        InputError: it is text-dependent.
    """
    if isinstance(method, Scorer):
        raise InputError(
            f"{type(method).__name__} looks at the words before it has features: without words it has none. "
            "It can segment pictures; for feature maps choose a vocabulary-free method such as RADSeg."
        )
    return method


def slide(
    radio: Radio,
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
    grids = [Size(s.height // radio.patch, s.width // radio.patch) for s in map(image_size, images)]
    stitchers = [Stitcher(grid) for grid in grids]
    for batch in _batches(radio, grids, crop=crop, stride=stride, memory_budget=memory_budget):
        crops = [crop_windows(images[i], windows, patch=radio.patch) for i, windows in batch]
        tokens = radio.encode(torch.cat(crops), last_block).patches
        if map_patches is not None:
            tokens = map_patches(tokens)
        counts = [len(windows) for _, windows in batch]
        for (i, windows), patches in zip(batch, tokens.split(counts), strict=True):
            stitchers[i].add(windows, patches)
    return [stitcher.mean() for stitcher in stitchers]


def _batches(
    radio: Radio, grids: Sequence[Size], *, crop: int | None, stride: int, memory_budget: int
) -> Iterator[list[tuple[int, tuple[Window, ...]]]]:
    """Yield batches of equal-size windows as (image index, its windows in this batch)."""
    by_size: dict[Size, list[tuple[int, Window]]] = defaultdict(list)
    for i, grid in enumerate(grids):
        side = max(grid) if crop is None else crop // radio.patch
        step = side if crop is None else stride // radio.patch
        for window in plan_windows(grid, crop=side, stride=step):
            by_size[Size(window.height, window.width)].append((i, window))
    for size, windows in by_size.items():
        limit = max(1, memory_budget // 4 // _window_bytes(radio, size))
        for start in range(0, len(windows), limit):
            grouped: dict[int, list[Window]] = defaultdict(list)
            for i, window in windows[start : start + limit]:
                grouped[i].append(window)
            yield [(i, tuple(group)) for i, group in grouped.items()]


def _window_bytes(radio: Radio, size: Size) -> int:
    """Bytes alive at the widest point of a block: the MLP's hidden layer before and after GELU."""
    config = radio.config
    tokens = size.height * size.width + config.cls_tokens + config.registers
    return tokens * (2 * config.mlp_width + 4 * config.width) * radio.dtype.itemsize
