"""The loop: order, overlap, bounded reading ahead, and what one failure or an interrupt leaves behind."""

import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from radseg.errors import ImageError, MemoryBudgetError, ResourceError
from radseg.evaluation.images.loop import (
    AHEAD,
    Prepared,
    Stages,
    Weight,
    count_labels,
    evaluate_images,
)

IDS = tuple(f"{i:02}" for i in range(12))
TRUTH = np.array([[0, 1]], np.uint16)
COUNT = partial(count_labels, classes=2)


def stages(stored, read=None, predict=None, store=None):
    def simple(id):
        return Prepared(torch.zeros(3, 1, 2), TRUTH)

    def right(image):
        return np.array([[1, 2]], np.uint8)

    return Stages(read or simple, predict or right, store or stored.append, COUNT)


def test_tallies_come_in_order_and_are_stored_before_they_are_told():
    stored = []
    for counts in evaluate_images(IDS, stages(stored)):
        assert counts in stored
    assert [one.id for one in stored] == list(IDS)
    assert stored[0].confusion(2).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_failure_in_any_stage_is_that_images_own():
    def read(id):
        if id == "01":
            raise ImageError("damaged")
        return Prepared(torch.full((3, 1, 2), float(id)), TRUTH)

    def predict(image):
        if float(image.image.max()) == 2:
            raise ValueError("a bug")
        return np.array([[1, 9 if float(image.image.max()) == 3 else 2]], np.uint8)

    told = {one.id: one.message for one in evaluate_images(IDS[:5], stages([], read, predict))}
    assert told["00"] == told["04"] == ""
    assert told["01"] == "damaged"
    assert told["02"] == "ValueError: a bug"
    assert "labels hold values" in told["03"]


@pytest.mark.parametrize("stage", ["read", "predict"])
def test_a_lack_of_memory_is_told_with_what_an_evaluation_can_do(stage):
    def fail(_):
        raise MemoryError

    (one,) = evaluate_images(IDS[:1], stages([], **{stage: fail}))
    assert one.message.startswith("Out of memory. Take a --protocol of lower resolution, a smaller --crop")
    assert "--memory-budget" not in one.message


def test_reading_and_storing_overlap_with_the_model():
    pause = 0.04

    def read(id):
        time.sleep(pause)
        return Prepared(torch.zeros(3, 1, 2), TRUTH)

    def predict(image):
        time.sleep(pause)
        return np.array([[1, 2]], np.uint8)

    start = time.perf_counter()
    done = list(evaluate_images(IDS, stages([], read, predict, lambda counts: time.sleep(pause))))
    # One after the other: 36 pauses; with only reading or only storing behind: 24. Overlapped: 14.
    assert time.perf_counter() - start < 20 * pause
    assert all(one.model_seconds >= pause for one in done)


def test_reading_keeps_a_bounded_distance():
    lock, distance, counts = threading.Lock(), [], {"read": 0, "predicted": 0}

    def read(id):
        with lock:
            counts["read"] += 1
            distance.append(counts["read"] - counts["predicted"])
        return Prepared(torch.zeros(3, 1, 2), TRUTH)

    def predict(image):
        time.sleep(0.005)
        with lock:
            counts["predicted"] += 1
        return np.array([[1, 2]], np.uint8)

    list(evaluate_images(IDS, stages([], read, predict)))
    assert 1 < max(distance) <= AHEAD + 1


def alive_at_once(weight, memory):
    """Most images that were read and not yet stored, the next one's reading included."""
    lock, alive, most = threading.Lock(), [], []

    def read(id):
        with lock:
            alive.append(id)
            most.append(len(alive))
        return Prepared(torch.zeros(3, 1, 2), TRUTH)

    def predict(image):
        time.sleep(0.005)
        return np.array([[1, 2]], np.uint8)

    def store(counts):
        with lock:
            alive.remove(counts.id)

    told = stages([], read, predict, store)
    done = list(evaluate_images(IDS, replace(told, weigh=lambda _: weight, memory=memory)))
    assert [one.id for one in done] == list(IDS)
    return max(most)


def test_no_more_images_are_alive_than_there_is_room_for():
    assert alive_at_once(Weight(waiting=10, predicting=5), memory=26) == 2
    assert alive_at_once(Weight(waiting=10, predicting=5), memory=4) == 1
    assert alive_at_once(Weight(waiting=10, predicting=5), memory=24) == 1  # the turn's own work counts
    assert alive_at_once(Weight(waiting=10, predicting=5), memory=10**6) > 2


def test_an_image_that_is_refused_is_never_read_and_ends_nothing():
    def weigh(id):
        if id == "01":
            raise MemoryBudgetError("needs 9MiB")
        return Weight()

    def read(id):
        assert id != "01"
        return Prepared(torch.zeros(3, 1, 2), TRUTH)

    done = list(evaluate_images(IDS[:3], replace(stages([], read), weigh=weigh)))
    assert [one.message for one in done] == ["", "needs 9MiB", ""]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ResourceError("the GPU is gone")])
def test_what_was_predicted_before_a_stop_is_stored(error):
    stored, count = [], []

    def predict(image):
        count.append(1)
        if len(count) == 4:
            raise error
        return np.array([[1, 2]], np.uint8)

    with pytest.raises((KeyboardInterrupt, ResourceError)):
        list(evaluate_images(IDS, stages(stored, predict=predict)))
    assert [one.id for one in stored] == ["00", "01", "02"]


def test_a_full_disk_ends_the_loop():
    def store(counts):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        list(evaluate_images(IDS, stages([], store=store)))
