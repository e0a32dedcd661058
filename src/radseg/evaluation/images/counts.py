"""ImageCounts: the pixel counts of one image, small enough for a line of a log; and their sums over a set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from jaxtyping import Int64, Integer

from radseg.datasets.base import IGNORE, Truth
from radseg.evaluation.images.objects import ObjectCounts
from radseg.metrics.boundary import boundary_counts
from radseg.metrics.confusion import Confusion, Counts, confusion_matrix


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """What is kept of one image.

    Attributes:
        id: of the image within its set.
        message: why it could not be evaluated; empty when it was.
        cells: indices into the flattened confusion matrix, each once; `pixels` are its values there.
        rims: columns of class, then its rim's pixels in both, in the truth, in the prediction.
        objects: what became of its objects; None where only classes are judged.
        model_seconds: inside the model.
        seconds: from the record before this one to this one, in the process that made it.
    """

    id: str
    message: str = ""
    cells: Int64[np.ndarray, " m"] = field(default_factory=lambda: np.zeros(0, np.int64))
    pixels: Int64[np.ndarray, " m"] = field(default_factory=lambda: np.zeros(0, np.int64))
    rims: Int64[np.ndarray, "4 r"] = field(default_factory=lambda: np.zeros((4, 0), np.int64))
    objects: ObjectCounts | None = None
    model_seconds: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, id: str, truth: Truth, labels: Integer[np.ndarray, "H W"], *, classes: int) -> Self:
        """Count one image; `labels` are 0 for none and names from 1.

        Raises:
            InputError: as `confusion_matrix`.
        """
        flat = confusion_matrix(truth, labels, classes=classes, ignore=IGNORE).ravel()
        cells = np.flatnonzero(flat)
        rim = boundary_counts(truth, labels, classes=classes, ignore=IGNORE)
        present = np.flatnonzero(rim.truth + rim.predicted)
        rims = np.stack([present, *(part[present] for part in (rim.both, rim.truth, rim.predicted))])
        return cls(id, "", cells, flat[cells], rims.astype(np.int64))

    def as_line(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "id": self.id,
            "message": self.message,
            "model_seconds": self.model_seconds,
            "seconds": self.seconds,
            "cells": self.cells.tolist(),
            "pixels": self.pixels.tolist(),
            "rims": self.rims.tolist(),
            "objects": None if self.objects is None else self.objects.as_line(),
        }

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Self:
        """Return the counts that `as_line` wrote; KeyError, TypeError or ValueError if it is none."""
        return cls(
            id=str(line["id"]),
            message=str(line["message"]),
            cells=np.array(line["cells"], np.int64),
            pixels=np.array(line["pixels"], np.int64),
            rims=np.array(line["rims"], np.int64).reshape(4, -1),
            objects=None if line["objects"] is None else ObjectCounts.from_line(line["objects"]),
            model_seconds=float(line["model_seconds"]),
            seconds=float(line["seconds"]),
        )

    def confusion(self, classes: int) -> Confusion:
        """Return the image's confusion matrix."""
        matrix = np.zeros(classes * (classes + 1), np.int64)
        matrix[self.cells] = self.pixels
        return matrix.reshape(classes, classes + 1)

    def boundary(self, classes: int) -> Counts:
        """Return the image's rim counts."""
        dense = np.zeros((3, classes), np.int64)
        dense[:, self.rims[0]] = self.rims[1:]
        return Counts(*dense)


def pooled_confusion(counts: Iterable[ImageCounts], classes: int) -> Confusion:
    """Return the sum of all images; whole numbers, so the order does not matter."""
    total = np.zeros(classes * (classes + 1), np.int64)
    for one in counts:
        total[one.cells] += one.pixels
    return total.reshape(classes, classes + 1)
