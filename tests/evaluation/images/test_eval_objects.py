"""Objects in an evaluation: the scores from first principles, their record, and what has none."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from eval_cases import Silent, colour_folder, request, shards
from radseg.datasets.base import Example
from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.log import known_counts, read_logs
from radseg.evaluation.images.objects import ObjectCounts, class_object_scores, object_scores
from radseg.evaluation.images.result import EvalResult
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.paper.protocols import protocol
from radseg.metrics.panoptic import PanopticCounts
from radseg.objects import object_of
from radseg.testing import COLOURS
from radseg.types import Segments, Size

SIZE = (96, 96)
STUFF = np.array([False, False, True])


@dataclass(frozen=True)
class Tiles:
    """A white wall with a red and a green square; image 1 has a third square that touches the red one."""

    images: int = 3
    with_segments: bool = True
    name: str = "tiles"
    split: str = "all"
    names: tuple[str, ...] = ("red", "green", "white")
    stuff: tuple[bool, ...] = (False, False, True)

    @property
    def ids(self):
        return tuple(str(i) for i in range(self.images))

    def size(self, id):
        return Size(*SIZE)

    def read(self, id):
        ids = np.full(SIZE, 3)
        ids[8:40, 8:40], ids[56:88, 48:88] = 1, 2
        labels = [0, 1, 2]
        if id == "1":
            ids[8:40, 40:72] = 4
            labels.append(0)
        truth = np.array(labels)[ids - 1]
        colours = np.array([COLOURS[name] for name in self.names], np.uint8)
        segments = Segments(ids, np.array(labels), np.zeros(len(labels), bool))
        return Example(colours[truth], truth.astype(np.uint16), segments if self.with_segments else None)


def run(output, images=None, **changes):
    silent = Silent()
    row = protocol("miniature", "own")
    chosen = {"images": images or Tiles(), "protocol": row, "objects": True} | changes
    return run_evaluation(request(output, output, **chosen), silent, silent)


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.setattr("eval_cases.open_folder", lambda *_: None)


@pytest.mark.usefixtures("no_folder")
def test_two_squares_that_touch_are_one_connected_part(tmp_path):
    result = run(tmp_path / "out").result
    found = {one.name: one for one in result.objects}
    assert (found["red"].objects, found["green"].objects, found["white"].objects) == (4, 3, 0)
    assert found["green"].ap50 == 1
    # Of four red squares two stand alone; the two that touch are found as one, that is, one of them at 0.25
    # (76 of 101 recalls) and none as a segment: TP 2, FP 1, FN 2.
    assert found["red"].ap25 == pytest.approx(76 / 101)
    assert found["red"].pq == pytest.approx(2 / (2 + 1 / 2 + 2 / 2), abs=0.05)
    assert min(found[name].pq for name in ("green", "white")) > 0.9
    assert result.scores["pq_objects"].low <= result.scores["pq_objects"].value
    assert EvalResult.read(tmp_path / "out") == result


@pytest.mark.usefixtures("no_folder")
def test_shards_give_the_scores_of_one_process(tmp_path):
    whole = run(tmp_path / "whole").result
    for shard in shards(2):
        outcome = run(tmp_path / "out", shard=shard)
    assert outcome.result.scores == whole.scores
    assert outcome.result.objects == whole.objects


@pytest.mark.usefixtures("no_folder")
def test_an_image_without_segments_fails_alone(tmp_path):
    with pytest.raises(InputError, match="truth of 0 has no segments"):
        run(tmp_path / "out", Tiles(with_segments=False))


@pytest.mark.usefixtures("no_folder")
def test_without_objects_the_log_has_none(tmp_path):
    result = run(tmp_path / "out", objects=False).result
    assert result.objects == ()
    assert "ap" not in result.scores
    assert all(one.objects is None for one in known_counts(read_logs(tmp_path / "out"), ["0"]).values())


def test_a_set_of_classes_only_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder has classes of pixels but no objects"):
        request(colour_folder(tmp_path / "data", 1), tmp_path, objects=True)


def counts(shift=0):
    ids = np.zeros(SIZE, np.int64)
    ids[:30, :30], ids[40:] = 1, 2
    truth = Segments(ids, np.array([0, 2]), np.zeros(2, bool))
    square = np.zeros(SIZE, bool)
    square[shift : 30 + shift, :30] = True
    objects = [object_of(square, name="red", label=1, score=0.1 + shift / 100)]
    return ObjectCounts.of(objects, truth, stuff=STUFF)


def test_counts_come_back_from_their_line():
    one = ImageCounts("a", objects=counts(5))
    other = ImageCounts.from_line(json.loads(json.dumps(one.as_line()))).objects
    assert np.array_equal(other.matches.right, one.objects.matches.right)
    assert other.matches.scores.tolist() == one.objects.matches.scores.tolist()
    assert np.array_equal(other.panoptic.rows(), one.objects.panoptic.rows())
    assert object_scores([other, other], STUFF) == object_scores([one.objects] * 2, STUFF)


def test_a_damaged_line_is_none():
    line = ImageCounts("a", objects=counts()).as_line()
    del line["objects"]["truths"]
    with pytest.raises(KeyError):
        ImageCounts.from_line(line)


def test_an_interval_holds_the_score_and_equal_images_have_none_to_speak_of():
    mixed = object_scores([counts(), counts(5), counts(25)], STUFF)
    for name in ("ap50", "pq_objects"):
        assert mixed[name].low < mixed[name].value < mixed[name].high
    equal = object_scores([counts(), counts()], STUFF)["pq_objects"]
    assert (equal.value, equal.low, equal.high) == (1, 1, 1)


def test_scores_without_classes_are_left_out():
    empty = counts()
    nothing = replace(empty.matches, truths=np.zeros(3, np.int64))
    rows = np.zeros((4, 3))
    scores = object_scores([ObjectCounts(nothing, PanopticCounts.of(rows))] * 2, STUFF)
    assert scores == {}
    assert class_object_scores([], ("a",), STUFF[:1]) == ()
