"""Merging accepted masks into one label map: a running maximum, never all masks at full size at once."""

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.models.sam import FRAME, MASK_SIDE
from radseg.refine.axes import linear_axis, resample, span
from radseg.refine.base import Coarse
from radseg.refine.rules import Merged
from radseg.types import Size


class Canvas:
    """The picture's pixels as seen from mask logits and from the patch grid: resampling weights per axis."""

    def __init__(self, coarse: Coarse, sam_size: Size) -> None:
        self.size = coarse.size
        maps = coarse.probabilities
        self._mask = [_mask_axis(*sides, like=maps) for sides in zip(sam_size, self.size, strict=True)]
        self._grid = [
            linear_axis(*sides, like=maps) for sides in zip(maps.shape[-2:], self.size, strict=True)
        ]

    def window(self, logits: Float[Tensor, "256 256"]) -> tuple[slice, slice]:
        """Return the rows and columns of the picture outside which the mask cannot be positive.

        Interpolation is a convex combination: a pixel that sees no positive logit has none.
        """
        positive = logits > 0
        rows, columns = (
            span((axis @ flags.to(axis)) > 0)
            for axis, flags in zip(self._mask, (positive.any(1), positive.any(0)), strict=True)
        )
        return rows, columns

    def logits(self, logits: Float[Tensor, "256 256"], rows: slice, columns: slice) -> Float[Tensor, "y x"]:
        """Return mask logits at the picture's pixels inside the window."""
        return _part(logits.to(self._mask[0]), self._mask, rows, columns)

    def probability(self, map_: Float[Tensor, "h w"], rows: slice, columns: slice) -> Float[Tensor, "y x"]:
        """Return a map of the patch grid at the picture's pixels inside the window."""
        return _part(map_, self._grid, rows, columns)


class Merger:
    """Takes the accepted masks of one picture, names in order, and keeps the best evidence per pixel.

    Evidence of a name is the largest sigmoid(logit) over its masks that hold the pixel, times its probability
    there (spec 5.9). The sigmoid is monotone, so one map of the largest logit serves the name.
    """

    def __init__(self, coarse: Coarse, canvas: Canvas) -> None:
        self._coarse = coarse
        self._canvas = canvas
        self._logit = coarse.confidence.new_full(coarse.size, -torch.inf)
        self._evidence = torch.zeros_like(self._logit)
        self._winners = torch.zeros_like(coarse.labels)
        self._name: int | None = None
        self._touched: tuple[slice, slice] | None = None

    def add(self, name: int, logits: Float[Tensor, "256 256"]) -> None:
        """Merge one accepted mask of the name with index `name`; names must not decrease."""
        if name != self._name:
            self._close()
            self._name = name
        rows, columns = self._canvas.window(logits)
        if rows.stop == rows.start:
            return
        part = self._logit[rows, columns]
        torch.maximum(part, self._canvas.logits(logits, rows, columns), out=part)
        self._touched = (rows, columns) if self._touched is None else _join(self._touched, (rows, columns))

    def merged(self) -> Merged:
        """Return what all masks together say."""
        self._close()
        return Merged(self._evidence, self._winners)

    def _close(self) -> None:
        """Let the current name compete for the pixels of its masks."""
        if self._touched is None or self._name is None:
            return
        logit, best = self._logit[self._touched], self._evidence[self._touched]
        probability = self._canvas.probability(self._coarse.probabilities[self._name], *self._touched)
        evidence = torch.where(logit > 0, logit.sigmoid() * probability, 0)
        won = evidence > best  # strictly: the first of equal names wins
        self._winners[self._touched].masked_fill_(won, self._name + 1)
        torch.maximum(best, evidence, out=best)
        logit.fill_(-torch.inf)
        self._touched = None


def _mask_axis(sam_side: int, side: int, *, like: Tensor) -> Float[Tensor, "s 256"]:
    """Return the weights of SAM's post-processing: 256 to 1024, cut to the image, to `side`."""
    return linear_axis(sam_side, side, like=like) @ linear_axis(MASK_SIDE, FRAME, like=like)[:sam_side]


def _part(values: Tensor, axes: list[Tensor], rows: slice, columns: slice) -> Tensor:
    down, across = axes[0][rows], axes[1][columns]
    i, j = span((down > 0).any(0)), span((across > 0).any(0))
    return resample(values[i, j], down[:, i], across[:, j])


def _join(a: tuple[slice, slice], b: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (slice(min(s.start, t.start), max(s.stop, t.stop)) for s, t in zip(a, b, strict=True))
    return rows, columns
