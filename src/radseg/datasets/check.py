"""Verify a set before hours are spent on it: every image and label file read once, as an evaluation would."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from radseg.datasets.base import IGNORE, ImageSet
from radseg.errors import ImageError

READERS = 4


@dataclass(frozen=True)
class CheckReport:
    """What reading every image found.

    Attributes:
        images: how many were read.
        problems: per image that cannot be evaluated its id and the reason.
        absent: classes that no readable image has.
        judged: share of the pixels that are judged, 0 to 1.
    """

    images: int
    problems: dict[str, str]
    absent: tuple[str, ...]
    judged: float


def check_set(images: ImageSet, *, limit: int | None = None) -> CheckReport:
    """Read every image of the set, or the first `limit`, with its labels and return what was found."""
    ids, classes = images.ids[:limit], len(images.names)
    pixels = np.zeros(classes, np.int64)
    total, problems = 0, {}
    with ThreadPoolExecutor(READERS) as pool:
        for id, found in zip(ids, pool.map(lambda id: _counted(images, id), ids), strict=True):
            if isinstance(found, str):
                problems[id] = found
            else:
                pixels += found[1]
                total += found[0]
    absent = tuple(name for name, count in zip(images.names, pixels, strict=True) if not count)
    return CheckReport(len(ids), problems, absent, float(pixels.sum()) / max(total, 1))


def _counted(images: ImageSet, id: str) -> tuple[int, np.ndarray] | str:
    """Return the pixels of one image, in all and per class, or what is wrong with it."""
    try:
        truth = images.read(id).truth
    except ImageError as error:
        return str(error)
    return truth.size, np.bincount(truth[truth != IGNORE], minlength=len(images.names))
