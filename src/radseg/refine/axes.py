"""Bilinear resampling axis by axis, with weights in a small matrix per axis.

Bilinear interpolation is separable, and several in a row are one matrix. So a map is brought to full size in
one step, only inside the rectangle where it is needed, and strip by strip.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

STRIP = 64  # rows of the result computed together: they see few rows of the source, and stay in the cache


def linear_axis(source: int, *targets: int, like: Tensor) -> Float[Tensor, "t s"]:
    """Return the weights that resample `source` samples linearly to each of `targets` in turn.

    Half-pixel centres; rows sum to 1. It is torch's own interpolation, applied to the identity.
    """
    weights = torch.eye(source, device=like.device)
    for target in targets:
        weights = stretch(weights, target)
    return weights.to(like.dtype)


def stretch(weights: Float[Tensor, "t s"], target: int) -> Float[Tensor, "u s"]:
    """Return the weights followed by a linear resampling to `target` samples."""
    resampled = F.interpolate(weights.mT[None], target, mode="linear", align_corners=False)
    return resampled[0].mT.contiguous()


def resample(
    maps: Float[Tensor, "*c h w"], rows: Float[Tensor, "H h"], columns: Float[Tensor, "W w"]
) -> Float[Tensor, "*c H W"]:
    """Return the maps with their rows and columns resampled."""
    return rows @ maps @ columns.mT


class Axis:
    """Resampling weights of one axis, and for every sample of the result which part of the source it sees."""

    def __init__(self, weights: Float[Tensor, "t s"]) -> None:
        self.weights = weights
        seen = (weights > 0).to(torch.int8)
        self._first: list[int] = seen.argmax(dim=1).tolist()
        self._last: list[int] = (seen.shape[1] - 1 - seen.flip(1).argmax(dim=1)).tolist()

    def seen_by(self, part: slice) -> slice:
        """Return the part of the source that a part of the result sees."""
        return slice(self._first[part.start], self._last[part.stop - 1] + 1)

    def seeing(self, part: slice) -> slice:
        """Return the part of the result that sees anything of a part of the source."""
        return slice(bisect_left(self._last, part.start), bisect_right(self._first, part.stop - 1))


def strips(
    map_: Float[Tensor, "h w"], axes: tuple[Axis, Axis], rows: slice, columns: slice
) -> Iterator[tuple[slice, Float[Tensor, "y x"]]]:
    """Yield the resampled map inside a window, a few rows at a time, with the rows they are."""
    down, across = axes
    right = across.seen_by(columns)
    below = down.seen_by(rows)
    wide = map_[below, right] @ across.weights[columns, right].mT
    for top in range(rows.start, rows.stop, STRIP):
        strip = slice(top, min(top + STRIP, rows.stop))
        near = down.seen_by(strip)
        local = slice(near.start - below.start, near.stop - below.start)
        yield strip, down.weights[strip, near] @ wide[local]


def span(flags: Tensor) -> slice | None:
    """Return the smallest slice that holds every true entry; None if there is none."""
    hits = flags.nonzero()[:, 0]
    return slice(int(hits[0]), int(hits[-1]) + 1) if len(hits) else None
