"""The loop over images: threads read ahead and store behind, so the model waits for neither.

How far, the memory budget says: with room for one image at a time, nothing is read before its turn.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

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
AHEAD = 4  # images read before their turn, at most: a photo of 1024 × 2048 is 25 MB as Rgb
BACKLOG = 4  # label maps waiting to be counted and written, at most
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


class Weight(NamedTuple):
    """Bytes that an image takes."""

    waiting: int = 0
    """From when it is read until it is counted, at most."""
    predicting: int = 0
    """In its turn, beside that."""


@dataclass(frozen=True)
class Stages(Generic[PredictionT]):
    """What happens to an image.

    Attributes:
        read: id to Prepared; called in several threads.
        predict: what the model says, at the size of the truth; called in the thread of the loop.
        store: makes the counts of an image durable; called in one thread, in order.
        count: compares it with the truth of the image of that id; called in the thread of `store`.
        folders: of the set and of the result, whose paths stay out of what is stored.
        weigh: what an image will take, before it is read; may refuse it.
        memory: bytes that the images alive at once may take, unless one alone takes more.
    """

    read: Callable[[str], Prepared]
    predict: Callable[[Prepared], PredictionT]
    store: Callable[[ImageCounts], None]
    count: Callable[[str, Prepared, PredictionT], ImageCounts]
    folders: tuple[Path, ...] = ()
    weigh: Callable[[str], Weight] = lambda _: Weight()
    memory: int = sys.maxsize


def evaluate_images(ids: Sequence[str], stages: Stages[PredictionT]) -> Iterator[ImageCounts]:
    """Yield the stored counts of every image, in order; one that fails has a message and ends nothing.

    Raises:
        ResourceError, OSError: what would stop every image; what was predicted is stored first.
    """
    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(READERS) as readers:
        clock, queue = _Clock(), _Queue(deque(ids), stages, readers)
        try:
            while True:
                queue.fill()
                if queue.reading:
                    one = queue.reading.popleft()
                    queue.storing.append((writer.submit(_predicted(one, queue, clock)), one.weight))
                    del one  # what was read is the writer's alone
                elif queue.storing:  # no room for the next one yet
                    yield queue.storing.popleft()[0].result()
                else:
                    return
                while queue.storing and (queue.storing[0][0].done() or len(queue.storing) > BACKLOG):
                    yield queue.storing.popleft()[0].result()
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, eq=False)
class _Reading:
    """An image that is being read; `future` gives it, or None and why there is none."""

    id: str
    future: Future[tuple[Prepared | None, str]]
    weight: Weight


@dataclass(eq=False)
class _Queue(Generic[PredictionT]):
    """The images that are alive, and those that wait to be; used in the thread of the loop."""

    ids: deque[str]
    stages: Stages[PredictionT]
    readers: ThreadPoolExecutor
    reading: deque[_Reading] = field(default_factory=deque)
    storing: deque[tuple[Future[ImageCounts], Weight]] = field(default_factory=deque)
    weighed: tuple[Weight | None, str] | None = None  # the first of `ids`, once it was asked

    def fill(self, turn: Weight | None = None) -> None:
        """Begin to read images while there is room; `turn` is what the image in its turn takes."""
        while self.ids and len(self.reading) < AHEAD:
            self.weighed = self.weighed or attempt(partial(self.stages.weigh, self.ids[0]))
            weight, message = self.weighed
            if not self._has_room(weight or Weight(), [] if turn is None else [turn]):
                return
            id, self.weighed = self.ids.popleft(), None
            read = partial(self._read, id, message if weight is None else None)
            self.reading.append(_Reading(id, self.readers.submit(read), weight or Weight()))

    def _read(self, id: str, refused: str | None) -> tuple[Prepared | None, str]:
        if refused is not None:
            return None, refused
        return attempt(partial(self.stages.read, id), relief=RELIEF)

    def _has_room(self, weight: Weight, turn: list[Weight]) -> bool:
        begun = [*turn, *(one.weight for one in self.reading)]
        stored = [one for future, one in self.storing if not future.done()]
        if not begun and not stored:
            return True
        waiting = sum(one.waiting for one in (*begun, *stored, weight))
        return waiting + max(one.predicting for one in (*begun, weight)) <= self.stages.memory


def _predicted(one: _Reading, queue: _Queue[PredictionT], clock: "_Clock") -> Callable[[], ImageCounts]:
    """Return what stores what the model says of an image; others are read while it is asked."""
    prepared, message = one.future.result()
    queue.fill(one.weight)
    store = partial(_store, queue.stages, clock)
    if prepared is None:
        return partial(store, ImageCounts(one.id, message), None, None)
    start = time.perf_counter()
    predicted, message = attempt(partial(queue.stages.predict, prepared), relief=RELIEF)
    outcome = ImageCounts(one.id, message, model_seconds=time.perf_counter() - start)
    return partial(store, outcome, prepared, predicted)


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
