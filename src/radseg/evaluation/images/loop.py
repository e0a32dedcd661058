"""The loop over images: threads read ahead and store behind, so the model waits for neither."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt

from radseg.datasets.base import Truth
from radseg.evaluation.images.counts import ImageCounts
from radseg.files import without_folders
from radseg.jobs.attempt import attempt
from radseg.types import Rgb

READERS = 2
AHEAD = 4  # images read before their turn: a photo of 1024 × 2048 is 25 MB as Rgb
BACKLOG = 4  # label maps waiting to be counted and written
RELIEF = "Take a --protocol of lower resolution, a smaller --crop, or a machine with more memory."

Labels = UInt[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image as the model takes it, and its truth at the size of the labels."""

    image: Rgb
    truth: Truth


@dataclass(frozen=True)
class Stages:
    """What happens to an image.

    Attributes:
        read: id to Prepared; called in several threads.
        predict: labels at the size of the truth, 0 for none; called in the thread of the loop.
        store: makes the counts of an image durable; called in one thread, in order.
        classes: of the truth.
        folders: of the set and of the result, whose paths stay out of what is stored.
    """

    read: Callable[[str], Prepared]
    predict: Callable[[Prepared], Labels]
    store: Callable[[ImageCounts], None]
    classes: int
    folders: tuple[Path, ...] = ()


def evaluate_images(ids: Sequence[str], stages: Stages) -> Iterator[ImageCounts]:
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
                labels, seconds = None, 0.0
                if prepared is not None:
                    start = time.perf_counter()
                    labels, message = attempt(partial(stages.predict, prepared), relief=RELIEF)
                    seconds = time.perf_counter() - start
                storing.append(
                    writer.submit(
                        _store,
                        stages,
                        clock,
                        ImageCounts(id, message, model_seconds=seconds),
                        prepared,
                        labels,
                    )
                )
                while storing and (storing[0].done() or len(storing) > BACKLOG):
                    yield storing.popleft().result()
            while storing:
                yield storing.popleft().result()
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


class _Clock:
    """Seconds between calls; used by one thread."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def _store(
    stages: Stages, clock: _Clock, outcome: ImageCounts, prepared: Prepared | None, labels: Labels | None
) -> ImageCounts:
    """Count one image and make it durable; without labels, as failed."""
    counts, message = outcome, outcome.message
    if prepared is not None and labels is not None:
        truth = prepared.truth
        counted, message = attempt(
            lambda: ImageCounts.of(outcome.id, truth, labels, classes=stages.classes), relief=RELIEF
        )
        counts = replace(counted or outcome, model_seconds=outcome.model_seconds)
    message = without_folders(message, *stages.folders)
    stored = replace(counts, message=message, seconds=clock.lap())
    stages.store(stored)
    return stored
