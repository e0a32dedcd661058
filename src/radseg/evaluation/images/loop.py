"""The loop over images: threads read ahead and store behind, so the model waits for neither."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, UInt

from radseg.datasets.base import Truth
from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.objects import ObjectCounts
from radseg.files import without_folders
from radseg.jobs.attempt import attempt
from radseg.result import Segmentation
from radseg.types import Rgb, Segments, ShortRepr

READERS = 2
AHEAD = 4  # images read before their turn: a photo of 1024 × 2048 is 25 MB as Rgb
BACKLOG = 4  # label maps waiting to be counted and written
RELIEF = "Take a --protocol of lower resolution, a smaller --crop, or a machine with more memory."

Labels = UInt[np.ndarray, "H W"]
PredictionT = TypeVar("PredictionT")


@dataclass(frozen=True, eq=False, repr=False)
class Prepared(ShortRepr):
    """An image as the model takes it, and its truth at the size of the labels.

    Attributes:
        segments: its objects and stuff; None where the set knows classes only.
    """

    image: Rgb
    truth: Truth
    segments: Segments | None = None


@dataclass(frozen=True)
class Stages(Generic[PredictionT]):
    """What happens to an image.

    Attributes:
        read: id to Prepared; called in several threads.
        predict: what the model says, at the size of the truth; called in the thread of the loop.
        store: makes the counts of an image durable; called in one thread, in order.
        count: compares it with the truth of the image of that id; called in the thread of `store`.
        folders: of the set and of the result, whose paths stay out of what is stored.
    """

    read: Callable[[str], Prepared]
    predict: Callable[[Prepared], PredictionT]
    store: Callable[[ImageCounts], None]
    count: Callable[[str, Prepared, PredictionT], ImageCounts]
    folders: tuple[Path, ...] = ()


def evaluate_images(ids: Sequence[str], stages: Stages[PredictionT]) -> Iterator[ImageCounts]:
    """Yield the stored counts of every image, in order; one that fails has a message and ends nothing.

    Raises:
        ResourceError, OSError: what would stop every image; what was predicted is stored first.
    """
    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(READERS) as readers:
        waiting = iter(ids)

        def begin(count: int) -> Iterator[tuple[str, Future[Any]]]:
            for id in islice(waiting, count):
                yield id, readers.submit(attempt, partial(stages.read, id), relief=RELIEF)

        clock = _Clock()
        reading = deque(begin(AHEAD))
        storing: deque[Future[ImageCounts]] = deque()
        try:
            while reading:
                id, future = reading.popleft()
                prepared, message = future.result()
                reading.extend(begin(1))
                predicted, seconds = None, 0.0
                if prepared is not None:
                    start = time.perf_counter()
                    predicted, message = attempt(partial(stages.predict, prepared), relief=RELIEF)
                    seconds = time.perf_counter() - start
                storing.append(
                    writer.submit(
                        _store,
                        stages,
                        clock,
                        ImageCounts(id, message, model_seconds=seconds),
                        prepared,
                        predicted,
                    )
                )
                while storing and (storing[0].done() or len(storing) > BACKLOG):
                    yield storing.popleft().result()
            while storing:
                yield storing.popleft().result()
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def count_labels(id: str, image: Prepared, labels: Labels, *, classes: int) -> ImageCounts:
    """Return the counts of one image; `labels` are 0 for none and names from 1."""
    return ImageCounts.of(id, image.truth, labels, classes=classes)


def count_objects(
    id: str, image: Prepared, found: Segmentation, *, stuff: Bool[np.ndarray, " c"]
) -> ImageCounts:
    """Return the counts of one image, those of its objects among them.

    Raises:
        InputError: the set says that it tells objects apart, and this image has no segments.
    """
    if image.segments is None:
        raise InputError(f"The truth of {id} has no segments, so its objects cannot be judged.")
    counts = ImageCounts.of(id, image.truth, found.labels, classes=len(stuff))
    return replace(counts, objects=ObjectCounts.of(found.objects(), image.segments, stuff=stuff))


class _Clock:
    """Seconds between calls; used by one thread."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def _store(
    stages: Stages[PredictionT],
    clock: _Clock,
    outcome: ImageCounts,
    prepared: Prepared | None,
    predicted: PredictionT | None,
) -> ImageCounts:
    """Count one image and make it durable; without a prediction, as failed."""
    counts, message = outcome, outcome.message
    if prepared is not None and predicted is not None:
        counted, message = attempt(partial(stages.count, outcome.id, prepared, predicted), relief=RELIEF)
        counts = replace(counted or outcome, model_seconds=outcome.model_seconds)
    message = without_folders(message, *stages.folders)
    stored = replace(counts, message=message, seconds=clock.lap())
    stages.store(stored)
    return stored
