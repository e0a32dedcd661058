"""Panoptic quality (Kirillov et al., arXiv 1801.00868): every place in at most one segment, true and found.

PQ = Σ IoU of the pairs / (TP + FP/2 + FN/2) = SQ · RQ. Void and crowds as in the authors' panopticapi.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float64, Int64

from radseg.errors import InputError
from radseg.metrics.instances import mean_of_present, require_classes
from radseg.types import Segments, ShortRepr


@dataclass(frozen=True, eq=False, repr=False)
class PanopticCounts(ShortRepr):
    """What adds up over images; any leading axes.

    Attributes:
        iou: sum of IoU over the pairs.
        tp, fp, fn: pairs, segments found and true ones without a partner.
    """

    iou: Float64[np.ndarray, "*b c"]
    tp: Float64[np.ndarray, "*b c"]
    fp: Float64[np.ndarray, "*b c"]
    fn: Float64[np.ndarray, "*b c"]

    def rows(self) -> Float64[np.ndarray, "*b 4 c"]:
        """Return the four as one array."""
        return np.stack([self.iou, self.tp, self.fp, self.fn], axis=-2)

    @classmethod
    def of(cls, rows: Float64[np.ndarray, "*b 4 c"]) -> Self:
        """Return the counts that `rows` gave, or sums of such."""
        return cls(*np.moveaxis(rows, -2, 0))

    def sq(self) -> Float64[np.ndarray, "*b c"]:
        """Return the mean IoU of the pairs; 0 without pairs, NaN for a class without segments."""
        pairs = np.divide(self.iou, self.tp, out=np.zeros_like(self.iou), where=self.tp > 0)
        return np.where(self._segments() > 0, pairs, np.nan)

    def rq(self) -> Float64[np.ndarray, "*b c"]:
        """Return TP / (TP + FP/2 + FN/2); NaN for a class without segments."""
        whole = self._segments()
        return np.divide(self.tp, whole, out=np.full_like(whole, np.nan), where=whole > 0)

    def pq(self) -> Float64[np.ndarray, "*b c"]:
        """Return panoptic quality; NaN for a class without segments."""
        return self.sq() * self.rq()

    def _segments(self) -> Float64[np.ndarray, "*b c"]:
        return self.tp + (self.fp + self.fn) / 2


def panoptic_counts(true: Segments, found: Segments, *, classes: int) -> PanopticCounts:
    """Return the counts of one image or scene.

    A pair has the same class and an IoU above 0.5, which makes it the only one; void places do not count in
    the union. A segment found without partner is no mistake when more than half of it lies in void or in
    crowds of its class.

    Raises:
        InputError: ids of different shapes, or a class that does not exist.
    """
    if true.ids.shape != found.ids.shape:
        raise InputError(f"True segments of shape {true.ids.shape}, found ones of {found.ids.shape}.")
    require_classes(true.labels, classes)
    require_classes(found.labels, classes)
    t, f = len(true.labels), len(found.labels)
    cells = true.ids.ravel().astype(np.int64) * (f + 1) + found.ids.ravel()
    both = np.bincount(cells, minlength=(t + 1) * (f + 1)).reshape(t + 1, f + 1)
    void, area, wanted = both[0, 1:], both[:, 1:].sum(0), both[1:].sum(1)
    inner = both[1:, 1:]
    union = wanted[:, None] + area[None] - inner - void[None]
    same = true.labels[:, None] == found.labels[None]
    iou = np.divide(inner, union, out=np.zeros(inner.shape), where=union > 0)
    pairs = (iou > 0.5) & same & ~true.crowd[:, None]
    excused = void + (inner * (same & true.crowd[:, None])).sum(0)
    wrong = ~pairs.any(0) & ~(excused > area / 2)
    missed = ~pairs.any(1) & ~true.crowd

    def by_class(labels: Int64[np.ndarray, " s"], amounts: np.ndarray) -> Float64[np.ndarray, " c"]:
        return np.bincount(labels, amounts, minlength=classes).astype(np.float64)

    return PanopticCounts(
        by_class(true.labels, (iou * pairs).sum(1)),
        by_class(true.labels, pairs.any(1)),
        by_class(found.labels, wrong),
        by_class(true.labels, missed),
    )


def pq_scores(counts: PanopticCounts, stuff: Bool[np.ndarray, " c"]) -> dict[str, Float64[np.ndarray, " b"]]:
    """Return "pq", "sq", "rq" over all classes and "pq_objects", "pq_stuff"; NaN where no class has segments.

    Args:
        counts: with one leading axis.
    """
    pq = counts.pq()
    return {
        "pq": mean_of_present(pq),
        "sq": mean_of_present(counts.sq()),
        "rq": mean_of_present(counts.rq()),
        "pq_objects": mean_of_present(pq[:, ~stuff]),
        "pq_stuff": mean_of_present(pq[:, stuff]),
    }
