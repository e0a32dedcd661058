"""Shares, mean confidences and presences of the classes of a result, in every mode."""

import numpy as np
import pytest
import torch

from radseg.jobs.manifest import ClassRecord
from radseg.modes import Mode
from radseg.result import Segmentation
from radseg.runs.shares import class_records, class_shares

LABELS = np.array([[1, 1, 1, 0], [3, 1, 1, 0]], np.uint8)
CONFIDENCE = np.array([[0.5, 0.5, 0.5, 0.1], [0.9, 1, 1, 0.1]], np.float32)


def result(mode: Mode) -> Segmentation:
    """Four names on a grid as fine as the pixels; the second is nearly there, the last is nowhere."""
    scores = torch.zeros(4, 2, 4)
    scores[0] = torch.tensor(np.where(LABELS == 1, CONFIDENCE, 0))
    scores[1, 0, 0] = 0.25
    scores[2] = torch.tensor(np.where(LABELS == 3, CONFIDENCE, 0))
    return Segmentation(("a", "b", "c", "d"), LABELS, CONFIDENCE, scores, mode, threshold=0.5)


@pytest.mark.parametrize("mode", ["background", "independent"])
def test_the_record_of_a_result_has_every_class_that_is_or_may_be_there(mode: Mode) -> None:
    assert class_records(result(mode)) == (
        ClassRecord(1, 0.625, 0.7, 1.0),
        ClassRecord(2, 0.0, None, 0.25),
        ClassRecord(3, 0.125, 0.9, 0.9),
    )


@pytest.mark.parametrize("mode", ["background", "independent"])
def test_shares_come_largest_first_and_none_last(mode: Mode) -> None:
    shares = class_shares(result(mode))
    assert [(one.name, one.share) for one in shares] == [
        *(("a", 0.625), ("c", 0.125), ("b", 0.0), ("d", 0.0)),
        (None, 0.25),
    ]


def test_one_pixel_of_a_large_image_counts() -> None:
    labels = np.zeros((2000, 2000), np.uint8)
    labels[0, 0] = 1
    one = Segmentation(("a",), labels, np.zeros(labels.shape, np.float32), torch.zeros(1, 2, 2), "assign")
    assert class_records(one) == (ClassRecord(1, 2.5e-7, 0.0, 0.0),)
