"""Pixel counts of truth against prediction, and the scores that follow from them.

Counts are int64 and are summed over a whole set before anything is divided (spec 6.1), so a set's
score is not the mean of its images' scores.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64, Int64, Integer

from radseg.errors import InputError
from radseg.types import ShortRepr

Confusion = Int64[np.ndarray, "c k"]
"""Pixels by true class (rows) and predicted class (columns); the last of the k = c + 1 columns is "none"."""


def confusion_matrix(
    truth: Integer[np.ndarray, "H W"],
    labels: Integer[np.ndarray, "H W"],
    *,
    classes: int,
    ignore: int,
) -> Confusion:
    """Return the counts of one image.

    Args:
        truth: class index from 0 per pixel, or `ignore`, which is not judged.
        labels: what the library gives: 0 for none, class i as i + 1.

    Raises:
        InputError: sizes differ, or a value stands for no class.
    """
    if truth.shape != labels.shape:
        raise InputError(
            f"The truth has {truth.shape[0]}×{truth.shape[1]} pixels and the labels "
            f"{labels.shape[0]}×{labels.shape[1]}; they must be of the same size."
        )
    judged = truth != ignore
    true = truth[judged].astype(np.int64)
    found = labels[judged].astype(np.int64)
    for what, values, highest in (("truth", true, classes - 1), ("labels", found, classes)):
        if values.size and not 0 <= values.min() <= values.max() <= highest:
            raise InputError(
                f"The {what} hold values from {values.min()} to {values.max()}; "
                f"with {classes} classes they go from 0 to {highest}."
            )
    column = (found + classes) % (classes + 1)  # none, 0, becomes the last column
    counts = np.bincount(true * (classes + 1) + column, minlength=classes * (classes + 1))
    return counts.astype(np.int64, copy=False).reshape(classes, classes + 1)


@dataclass(frozen=True, eq=False, repr=False)
class Counts(ShortRepr):
    """Pixels per class that the truth has, the prediction has, and both have; any leading axes.

    Float counts are resampled ones: whole numbers, exact up to 2⁵³.
    """

    both: Int64[np.ndarray, "*b c"] | Float64[np.ndarray, "*b c"]
    truth: Int64[np.ndarray, "*b c"] | Float64[np.ndarray, "*b c"]
    predicted: Int64[np.ndarray, "*b c"] | Float64[np.ndarray, "*b c"]

    @classmethod
    def of(cls, confusion: Int64[np.ndarray, "*b c k"]) -> Self:
        """Return the counts of one or several confusion matrices."""
        square = confusion[..., :-1]
        return cls(square.diagonal(axis1=-2, axis2=-1).copy(), confusion.sum(-1), square.sum(-2))

    def iou(self) -> Float64[np.ndarray, "*b c"]:
        """Return intersection over union per class; NaN where neither side has the class."""
        return _ratio(self.both, self.truth + self.predicted - self.both)

    def accuracy(self) -> Float64[np.ndarray, "*b c"]:
        """Return the found share of each class's true pixels; NaN where the truth has none."""
        return _ratio(self.both, self.truth)

    def precision(self) -> Float64[np.ndarray, "*b c"]:
        """Return the right share of each class's predicted pixels; NaN where none is predicted."""
        return _ratio(self.both, self.predicted)

    def dice(self) -> Float64[np.ndarray, "*b c"]:
        """Return 2·both / (truth + predicted) per class; NaN where neither side has the class."""
        return _ratio(2 * self.both, self.truth + self.predicted)

    def f_score(self) -> Float64[np.ndarray, "*b c"]:
        """Return the harmonic mean of precision and accuracy; NaN where either is NaN, or both are 0."""
        precision, accuracy = self.precision(), self.accuracy()
        return _ratio(2 * precision * accuracy, precision + accuracy)


def mean_iou(counts: Counts) -> Float64[np.ndarray, "*b"]:
    """Return the mean IoU of the classes that truth or prediction has (mIoU; mmseg's mean without NaN)."""
    return _mean_of_present(counts.iou())


def mean_accuracy(counts: Counts) -> Float64[np.ndarray, "*b"]:
    """Return the mean accuracy of the classes that the truth has (mAcc)."""
    return _mean_of_present(counts.accuracy())


def frequency_weighted_iou(counts: Counts) -> Float64[np.ndarray, "*b"]:
    """Return Σ_c pixels_c / Σ pixels · IoU_c over the classes of the truth (f-mIoU; mapping spec 3.7)."""
    iou = np.nan_to_num(counts.iou(), nan=0.0)  # a class without true pixels has weight 0
    return _ratio((counts.truth * iou).sum(-1), counts.truth.sum(-1))


def pixel_accuracy(counts: Counts) -> Float64[np.ndarray, "*b"]:
    """Return the share of judged pixels that got their class (aAcc); "none" is wrong everywhere."""
    return _ratio(counts.both.sum(-1), counts.truth.sum(-1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> Float64[np.ndarray, "..."]:
    nothing = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=nothing, where=np.asarray(whole) > 0)


def _mean_of_present(values: Float64[np.ndarray, "*b c"]) -> Float64[np.ndarray, "*b"]:
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(-1), present.sum(-1))
