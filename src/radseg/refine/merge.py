"""Merging accepted masks into one label map: a running maximum, never all masks at full size at once."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.refine.axes import Axis, linear_axis, span, stretch, strips
from radseg.refine.base import CoarseResult
from radseg.refine.rules import Merged
from radseg.types import Size
from radseg.weights.config import SamSizes

Window = tuple[slice, slice]
"""Rows and columns of the image."""


class Canvas:
    """The image's pixels as seen from mask logits and from the patch grid."""

    def __init__(self, coarse: CoarseResult, sam_size: Size, sam: SamSizes) -> None:
        maps = coarse.probabilities
        # SAM's post-processing: masks to the frame, cut to the encoded image, to the image.
        frame = linear_axis(sam.mask_side, sam.frame, like=maps.new_empty(0, dtype=torch.float32))
        height, width = coarse.size
        self._mask = (
            Axis(stretch(frame[: sam_size.height], height)),
            Axis(stretch(frame[: sam_size.width], width)),
        )
        self._grid = (
            Axis(linear_axis(maps.shape[-2], height, like=maps)),
            Axis(linear_axis(maps.shape[-1], width, like=maps)),
        )

    def window(self, logits: Float[Tensor, "k k"]) -> Window | None:
        """Return the part of the image outside which the mask cannot be positive, None if there is none.

        Interpolation is a convex combination: a pixel that sees no positive logit has none.
        """
        positive = logits > 0
        rows, columns = span(positive.any(1)), span(positive.any(0))
        if rows is None or columns is None:
            return None
        window = self._mask[0].seeing(rows), self._mask[1].seeing(columns)
        # When shrinking to a tiny image no pixel may see the mask.
        return window if all(part.start < part.stop for part in window) else None

    def logits(
        self, logits: Float[Tensor, "k k"], window: Window
    ) -> Iterator[tuple[slice, Float[Tensor, "y x"]]]:
        """Yield mask logits at the image's pixels inside the window, a few rows at a time."""
        return strips(logits.to(self._mask[0].weights), self._mask, *window)

    def probability(
        self, map_: Float[Tensor, "h w"], window: Window
    ) -> Iterator[tuple[slice, Float[Tensor, "y x"]]]:
        """Yield a map of the patch grid at the image's pixels inside the window, a few rows at a time."""
        return strips(map_, self._grid, *window)


class Merger:
    """Takes the accepted masks of one image, names in order, and keeps the best evidence per pixel.

    Evidence of a name is the largest sigmoid(logit) over its masks that hold the pixel, times its probability
    there (spec 5.9). The sigmoid is monotone, so one map of the largest logit serves the name.
    """

    def __init__(self, coarse: CoarseResult, canvas: Canvas) -> None:
        self._coarse = coarse
        self._canvas = canvas
        self._logit = coarse.confidence.new_full(coarse.size, -torch.inf, dtype=torch.float32)
        self._evidence = torch.zeros_like(self._logit)
        self._winners = torch.zeros_like(coarse.labels)
        self._name: int | None = None
        self._touched: Window | None = None

    def add(self, name: int, logits: Float[Tensor, "k k"]) -> None:
        """Merge one accepted mask of the name with index `name`; names must not decrease."""
        if name != self._name:
            self._close()
            self._name = name
        window = self._canvas.window(logits)
        if window is None:
            return
        for rows, values in self._canvas.logits(logits, window):
            part = self._logit[rows, window[1]]
            torch.maximum(part, values, out=part)
        self._touched = window if self._touched is None else _join(self._touched, window)

    def merged(self) -> Merged:
        """Return what all masks together say."""
        self._close()
        return Merged(self._evidence, self._winners)

    def _close(self) -> None:
        """Let the current name compete for the pixels of its masks."""
        if self._touched is None or self._name is None:
            return
        map_, columns = self._coarse.probabilities[self._name], self._touched[1]
        for rows, probability in self._canvas.probability(map_, self._touched):
            logit, best = self._logit[rows, columns], self._evidence[rows, columns]
            evidence = (logit.sigmoid() * probability).masked_fill_(logit <= 0, 0)
            won = evidence > best  # strictly: the first of equal names wins
            self._winners[rows, columns].masked_fill_(won, self._name + 1)
            torch.maximum(best, evidence, out=best)
            logit.fill_(-torch.inf)
        self._touched = None


def _join(a: Window, b: Window) -> Window:
    rows, columns = (slice(min(s.start, t.start), max(s.stop, t.stop)) for s, t in zip(a, b, strict=True))
    return rows, columns
