"""Boundary IoU (Cheng et al., arXiv 2103.16562, Eq. 2): how well the rims of the classes agree."""

import numpy as np
from jaxtyping import Bool, Int64, Integer
from scipy import ndimage

from radseg.metrics.confusion import Counts

BAND = 2
"""Width of the rim in pixels."""


def boundary_counts(
    truth: Integer[np.ndarray, "H W"],
    labels: Integer[np.ndarray, "H W"],
    *,
    classes: int,
    ignore: int,
    band: int = BAND,
) -> Counts:
    """Return per class the pixels in the rim of the truth, of the prediction, and in both.

    The rim of a class is what its mask loses to `band` erosions by a 3 × 3 square, that is, its pixels with
    anything else, or the image's edge, at a chessboard distance of at most `band`. Rims of all classes of a
    map are found at once. Ignored pixels belong to no mask, of truth or prediction, so the border to them is
    a rim of both; where a set rings every object with them (PASCAL VOC) the score is about the inside of
    that ring.

    Differs from the paper's instance form in the band (2 pixels, there 2 % of the diagonal) and in that
    counts are pooled over the images, as for mIoU.

    Args:
        truth, labels: as in `confusion_matrix`; the values must have been checked by it.
    """
    judged = truth != ignore
    true = np.where(judged, truth.astype(np.int32) + 1, 0)
    found = np.where(judged, labels.astype(np.int32), 0)
    true_rim, found_rim = _rim(true, band), _rim(found, band)
    agree = true_rim & found_rim & (true == found)
    return Counts(
        _per_class(true, agree, classes),
        _per_class(true, true_rim, classes),
        _per_class(found, found_rim, classes),
    )


def _rim(labels: Integer[np.ndarray, "H W"], band: int) -> Bool[np.ndarray, "H W"]:
    side = 2 * band + 1
    lowest = ndimage.minimum_filter(labels, side, mode="constant", cval=-1)
    highest = ndimage.maximum_filter(labels, side, mode="constant", cval=-1)
    return (lowest != labels) | (highest != labels)


def _per_class(
    labels: Integer[np.ndarray, "H W"], where: Bool[np.ndarray, "H W"], classes: int
) -> Int64[np.ndarray, " c"]:
    return np.bincount(labels[where], minlength=classes + 1)[1:].astype(np.int64, copy=False)
