"""Connected regions of a label map: all labels in one pass over the runs of equal pixels.

Two pixels are connected when they carry the same label and touch, corners included (8-connectivity).
Integers only, on the CPU; the result does not depend on any tolerance.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from radseg.errors import InputError


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one label map, in the raster order of their first pixels.

    Attributes:
        ids: for each pixel the number of its region from 1, 0 where there is none.
        labels: the label of each region.
        areas: pixels of each region.
        boxes: first and last pixel column and row, both included: x0, y0, x1, y1.
        peaks: x, y of the region's most confident pixel, the first in raster order.
    """

    ids: Int[np.ndarray, "H W"]
    labels: Int[np.ndarray, " r"]
    areas: Int[np.ndarray, " r"]
    boxes: Int[np.ndarray, "r 4"]
    peaks: Int[np.ndarray, "r 2"]

    def __len__(self) -> int:
        return len(self.labels)


def label_regions(
    labels: Int[np.ndarray, "H W"],
    confidence: Float[np.ndarray, "H W"],
    *,
    ignore: Collection[int] = (),
    min_area: int = 1,
) -> Regions:
    """Return every region of at least `min_area` pixels whose label is not in `ignore`.

    Args:
        confidence: of each pixel in its own label; decides the peak. Not NaN.
        ignore: labels that are no object, e.g. background.

    Raises:
        InputError: maps of different or empty shape.
    """
    if labels.shape != confidence.shape or labels.ndim != 2 or labels.size == 0:
        raise InputError(
            f"Label map {labels.shape} and confidence {confidence.shape} must have one shape, "
            "two axes and at least one pixel."
        )
    runs = _runs(labels)
    region_of_run = _connect(runs, labels.shape[1])
    # Runs of one region side by side, raster order inside: what reduceat needs.
    order = np.argsort(region_of_run, kind="stable")
    first = np.flatnonzero(np.diff(region_of_run[order], prepend=-1))
    areas = np.add.reduceat(runs.length[order], first)
    region_label = runs.label[order[first]]
    # A region's lowest run begins at its first pixel, so sorting by it gives raster order.
    kept = np.flatnonzero((areas >= min_area) & ~np.isin(region_label, list(ignore)))
    kept = kept[np.argsort(order[first[kept]], kind="stable")]
    number = np.zeros(len(first), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return Regions(
        ids=np.repeat(number[region_of_run], runs.length).reshape(labels.shape),
        labels=region_label[kept].astype(np.int64),
        areas=areas[kept],
        boxes=_boxes(runs, order, first)[kept],
        peaks=_peaks(runs, order, first, kept, confidence),
    )


@dataclass(frozen=True, eq=False)
class _Runs:
    """Maximal stretches of one label inside a row, in raster order."""

    start: Int[np.ndarray, " n"]  # flat index of the first pixel
    length: Int[np.ndarray, " n"]
    row: Int[np.ndarray, " n"]
    left: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]


def _runs(labels: Int[np.ndarray, "H W"]) -> _Runs:
    begins = np.empty(labels.shape, bool)
    begins[:, 0] = True
    np.not_equal(labels[:, 1:], labels[:, :-1], out=begins[:, 1:])
    start = np.flatnonzero(begins)
    row, left = np.divmod(start, labels.shape[1])
    return _Runs(start, np.diff(start, append=labels.size), row, left, labels.ravel()[start])


def _connect(runs: _Runs, width: int) -> Int[np.ndarray, " n"]:
    """Return for every run the number of its region: components of the graph of touching runs."""
    upper = np.flatnonzero(runs.row < runs.row[-1])
    below = (runs.row[upper] + 1) * width
    # Runs tile each row, so those that touch a run from below, corners included, are one interval.
    low = np.searchsorted(runs.start, below + np.maximum(runs.left[upper] - 1, 0), "right") - 1
    end = np.minimum(runs.left[upper] + runs.length[upper], width - 1)
    count = np.searchsorted(runs.start, below + end, "right") - low
    above = np.repeat(upper, count)
    step = np.arange(len(above)) - np.repeat(np.cumsum(count) - count, count)
    under = np.repeat(low, count) + step
    same = runs.label[above] == runs.label[under]
    above, under = above[same], under[same]
    graph = coo_array((np.ones(len(above), bool), (above, under)), shape=(len(runs.start),) * 2)
    regions: np.ndarray = connected_components(graph, directed=False)[1]
    return regions


def _boxes(runs: _Runs, order: Int[np.ndarray, " n"], first: Int[np.ndarray, " r"]) -> Int[np.ndarray, "r 4"]:
    row, left = runs.row[order], runs.left[order]
    right = left + runs.length[order] - 1
    return np.stack(
        [
            np.minimum.reduceat(left, first),
            np.minimum.reduceat(row, first),
            np.maximum.reduceat(right, first),
            np.maximum.reduceat(row, first),
        ],
        axis=1,
    )


def _peaks(
    runs: _Runs,
    order: Int[np.ndarray, " n"],
    first: Int[np.ndarray, " r"],
    kept: Int[np.ndarray, " k"],
    confidence: Float[np.ndarray, "H W"],
) -> Int[np.ndarray, "k 2"]:
    flat = np.ascontiguousarray(confidence).ravel()
    best_of_run = np.maximum.reduceat(flat, runs.start)[order]
    best = np.maximum.reduceat(best_of_run, first)
    reaches = best_of_run == np.repeat(best, np.diff(first, append=len(order)))
    # Of the runs that reach the maximum the first, found by the next hit at or after the region's start.
    hits = np.flatnonzero(reaches)
    chosen = order[hits[np.searchsorted(hits, first[kept])]]
    peaks = np.empty((len(kept), 2), np.int64)
    for i, run in enumerate(chosen):
        start = runs.start[run]
        x = runs.left[run] + int(flat[start : start + runs.length[run]].argmax())
        peaks[i] = x, runs.row[run]
    return peaks
