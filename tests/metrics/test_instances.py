"""Average precision against pycocotools, and what weights and crowds do."""

import contextlib
import io

import numpy as np
import pytest
from object_cases import SIDE, image_of_objects, objects_of

from radseg.errors import InputError
from radseg.metrics.instances import (
    FoundObjects,
    TrueObjects,
    ap_scores,
    average_precisions,
    id_sets,
    match_objects,
    place_sets,
    true_objects,
)
from radseg.types import Segments

CLASSES = 3


def coco_precisions(images):
    """AP per threshold (0.5 to 0.95) and class as pycocotools gives it; −1 for a class without truth."""
    from pycocotools import mask as rle  # noqa: PLC0415
    from pycocotools.coco import COCO  # noqa: PLC0415
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    truths, results = [], []
    for image, (true, true_labels, crowd, found, labels, scores) in enumerate(images, start=1):
        for mask, label, is_crowd in zip(true, true_labels, crowd, strict=True):
            entry = {"id": len(truths) + 1, "image_id": image, "category_id": int(label) + 1}
            entry |= {"segmentation": rle.encode(np.asfortranarray(mask.astype(np.uint8)))}
            truths.append(entry | {"area": float(mask.sum()), "iscrowd": int(is_crowd), "bbox": [0, 0, 1, 1]})
        for mask, label, score in zip(found, labels, scores, strict=True):
            entry = {"image_id": image, "category_id": int(label) + 1, "score": float(score)}
            results.append(entry | {"segmentation": rle.encode(np.asfortranarray(mask.astype(np.uint8)))})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i + 1, "height": SIDE, "width": SIDE} for i in range(len(images))],
            "annotations": truths,
            "categories": [{"id": c + 1, "name": str(c)} for c in range(CLASSES)],
        }
        coco.createIndex()
        judged = COCOeval(coco, coco.loadRes(results), "segm")
        judged.evaluate()
        judged.accumulate()
    return judged.eval["precision"][:, :, :, 0, 2].mean(1)


@pytest.mark.parametrize("seed", range(60))
def test_precisions_equal_pycocotools(seed):
    rng = np.random.default_rng(seed)
    images = [image_of_objects(rng, CLASSES) for _ in range(rng.integers(1, 6))]
    ours = average_precisions([match_objects(*objects_of(one), classes=CLASSES) for one in images])[0]
    assert np.nan_to_num(ours[1:], nan=-1.0) == pytest.approx(coco_precisions(images), abs=1e-12)


def test_of_equal_overlaps_the_later_true_object_is_taken_as_in_pycocotools():
    line = np.zeros((4, SIDE, SIDE), bool)
    for mask, (start, end) in zip(line, [(0, 6), (1, 7), (0, 7), (0, 6)], strict=True):
        mask[0, start:end] = True
    zero = np.zeros(2, np.int64)
    case = (line[:2], zero, np.zeros(2, bool), line[2:], zero, np.array([0.9, 0.8]))
    ours = average_precisions([match_objects(*objects_of(case), classes=CLASSES)])[0]
    assert np.nan_to_num(ours[1:], nan=-1.0) == pytest.approx(coco_precisions([case]), abs=1e-12)
    assert ours[-1, 0] == pytest.approx(51 / 101 / 2)  # the first is wrong, then one of two


def test_only_the_best_hundred_of_a_class_count():
    mask = np.ones((1, 2, 2), bool)
    empty = np.zeros((100, 2, 2), bool)
    found = FoundObjects(place_sets([*empty, *mask], 4), np.zeros(101, np.int64), np.linspace(1, 0.5, 101))
    true = TrueObjects(place_sets(mask, 4), np.zeros(1, np.int64), np.zeros(1, bool))
    matches = match_objects(found, true, classes=1)
    assert len(matches.labels) == 100
    assert not matches.right.any()


def test_weights_equal_images_that_are_there_several_times():
    rng = np.random.default_rng(5)
    images = [match_objects(*objects_of(image_of_objects(rng, CLASSES)), classes=CLASSES) for _ in range(4)]
    times = [2, 0, 1, 3]
    repeated = [one for one, n in zip(images, times, strict=True) for _ in range(n)]
    weighted = average_precisions(images, np.array([times], float))
    assert weighted == pytest.approx(average_precisions(repeated), abs=1e-12, nan_ok=True)


def test_an_object_in_a_crowd_is_neither_right_nor_wrong():
    ids = np.repeat([1, 2], 8)
    true = TrueObjects(id_sets(ids, 2), np.zeros(2, np.int64), np.array([False, True]))
    inside = ids == 2
    inside[-6:] = False  # two places of the crowd: an IoU of a quarter, a share of all
    found = FoundObjects(place_sets([inside, ids == 1], 16), np.zeros(2, np.int64), np.array([0.9, 0.5]))
    matches = match_objects(found, true, classes=1)
    assert matches.unjudged[:, 0].all()
    assert ap_scores(average_precisions([matches]))["ap"][0] == 1


def test_what_is_found_in_void_is_neither_right_nor_wrong_and_stuff_is_no_object():
    ids = np.repeat([0, 1, 2], [4, 2, 4])
    void, thing, floor = (ids == i for i in range(3))
    segments = Segments(ids, np.array([0, 1]), np.zeros(2, bool))
    found = FoundObjects(place_sets([void, thing, floor], 10), np.array([0, 0, 1]), np.array([0.9, 0.5, 0.4]))
    matches = match_objects(found, true_objects(segments, np.array([False, True])), classes=2)
    assert matches.truths.tolist() == [1, 0]
    assert matches.unjudged[0].tolist() == [True, False, False]
    assert ap_scores(average_precisions([matches]))["ap"][0] == 1


def test_ap25_takes_what_ap50_refuses():
    true = TrueObjects(id_sets(np.ones(10, int), 1), np.zeros(1, np.int64), np.zeros(1, bool))
    found = FoundObjects(id_sets(np.repeat([1, 0], [4, 6]), 1), np.zeros(1, np.int64), np.ones(1))
    scores = ap_scores(average_precisions([match_objects(found, true, classes=1)]))
    assert (scores["ap25"][0], scores["ap50"][0]) == (1, 0)


def test_classes_without_truth_are_no_part_of_the_mean():
    true = TrueObjects(id_sets(np.ones(4, int), 1), np.ones(1, np.int64), np.zeros(1, bool))
    found = FoundObjects(id_sets(np.ones(4, int), 1), np.ones(1, np.int64), np.ones(1))
    precisions = average_precisions([match_objects(found, true, classes=3)])
    assert np.isnan(precisions[0, :, [0, 2]]).all()
    assert ap_scores(precisions)["ap"][0] == 1


def test_what_does_not_fit_is_refused():
    one = FoundObjects(id_sets(np.ones(4, int), 1), np.array([3]), np.ones(1))
    true = TrueObjects(id_sets(np.ones(4, int), 1), np.zeros(1, np.int64), np.zeros(1, bool))
    with pytest.raises(InputError, match="classes from 3 to 3"):
        match_objects(one, true, classes=2)
    fewer = TrueObjects(id_sets(np.ones(3, int), 1), np.zeros(1, np.int64), np.zeros(1, bool))
    with pytest.raises(InputError, match="on 4 places, the true ones on 3"):
        match_objects(one, fewer, classes=4)
    with pytest.raises(InputError, match="A mask has 3 places"):
        place_sets([np.ones(3, bool)], 4)
    with pytest.raises(InputError, match="no images"):
        average_precisions([])
