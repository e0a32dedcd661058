"""Objects of an image: connected parts, suppression and panoptic ids, against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from radseg.errors import InputError
from radseg.objects import (
    ImageObject,
    connected_objects,
    disjoint,
    is_stuff,
    object_of,
    panoptic,
    ranked,
    suppressed,
)

NAMES = ("red ball", "brick wall")


def square(x: int, y: int, side: int, score: float, name: str = "ball", label: int = 1) -> ImageObject:
    mask = np.zeros((12, 16), bool)
    mask[y : y + side, x : x + side] = True
    return object_of(mask, name=name, label=label, score=score)


def ones_like(labels: np.ndarray) -> np.ndarray:
    return np.ones(labels.shape, np.float32)


label_maps = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2)
)


@given(label_maps)
def test_connected_parts_are_those_of_scipy_and_stuff_is_whole(labels: np.ndarray) -> None:
    found = connected_objects(labels, NAMES, ones_like(labels), min_area=1)
    numbers, count = ndimage.label(labels == 1, structure=np.ones((3, 3)))
    balls = sorted(one.mask.tobytes() for one in found if one.label == 1)
    assert balls == sorted((numbers == number).tobytes() for number in range(1, count + 1))
    assert [one.mask.tobytes() for one in found if one.stuff] == [
        (labels == 2).tobytes() for _ in range(int((labels == 2).any()))
    ]


@given(label_maps, st.integers(1, 9))
def test_no_part_is_smaller_than_asked(labels: np.ndarray, min_area: int) -> None:
    found = connected_objects(labels, NAMES, ones_like(labels), min_area=min_area)
    everything = connected_objects(labels, NAMES, ones_like(labels), min_area=1)
    assert sorted(one.area for one in found) == sorted(o.area for o in everything if o.area >= min_area)


def test_score_is_the_mean_confidence_and_the_best_comes_first() -> None:
    labels = np.array([[1, 1, 0, 1, 1]], np.uint8)
    confidence = np.array([[0.5, 0.25, 1.0, 0.75, 0.5]], np.float32)
    found = connected_objects(labels, NAMES, confidence, min_area=1)
    assert [(one.box, one.score) for one in found] == [((3, 0, 5, 1), 0.625), ((0, 0, 2, 1), 0.375)]


def test_box_excludes_its_last_column_and_row_and_holds_all_of_the_mask() -> None:
    one = square(3, 2, 4, 0.5)
    assert one.box == (3, 2, 7, 6)
    assert one.area == one.crop.size == one.mask.sum() == 16


def test_names_in_another_order_give_the_same_objects() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (12, 12)).astype(np.uint8)
    turned = np.array([0, 2, 1], np.uint8)[labels]
    one, other = (
        connected_objects(each, names, ones_like(labels), min_area=1)
        for each, names in ((labels, NAMES), (turned, NAMES[::-1]))
    )
    assert [(o.name, o.box, o.score) for o in one] == [(o.name, o.box, o.score) for o in other]


def test_equal_scores_are_ranked_by_place_then_by_name() -> None:
    a, b, c = square(5, 0, 2, 0.5), square(0, 0, 2, 0.5, "vase", 2), square(0, 0, 2, 0.5, "ball", 3)
    assert ranked([a, b, c]) == ranked([c, a, b]) == [c, b, a]


def test_a_lesser_mask_is_suppressed_by_a_better_one_of_its_name_only() -> None:
    best, shifted = square(0, 0, 4, 0.9), square(1, 0, 4, 0.8)  # 12 shared of 20
    other = square(1, 0, 4, 0.7, "vase", 2)
    assert suppressed([other, shifted, best], 0.5) == [best, other]
    assert suppressed([shifted, best], 0.6) == [best, shifted]


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(1, 4), st.floats(0, 1)), max_size=6)
)
def test_every_pixel_is_the_best_object_s_that_holds_it(squares: list[tuple[int, int, int, float]]) -> None:
    objects = [square(*each) for each in squares]
    ids = panoptic(objects, (12, 16))
    wanted = np.zeros((12, 16), np.int32)
    for one in reversed(ranked(objects)):
        wanted[one.mask] = next(i for i, other in enumerate(objects, start=1) if other is one)
    assert np.array_equal(ids, wanted)


def test_disjoint_cuts_objects_and_drops_what_is_mostly_hidden() -> None:
    best, half, hidden = square(0, 0, 4, 0.9), square(2, 0, 4, 0.8, "vase", 2), square(0, 1, 3, 0.7, "box", 3)
    left = disjoint([hidden, half, best], (12, 16), min_area=1, min_share=0.5)
    assert [(one.name, one.area, one.box) for one in left] == [
        ("ball", 16, (0, 0, 4, 4)),
        ("vase", 8, (4, 0, 6, 4)),
    ]
    assert not (left[0].mask & left[1].mask).any()
    assert disjoint([half, best], (12, 16), min_area=9, min_share=0)[1:] == []


@pytest.mark.parametrize(
    ("name", "stuff"),
    [("sky", True), ("Brick Wall", True), ("wall clock", False), ("wallpaper", False), ("", False)],
)
def test_stuff_is_known_by_its_last_word(name: str, stuff: bool) -> None:
    assert is_stuff(name) is stuff


def test_an_empty_mask_is_no_object() -> None:
    with pytest.raises(InputError, match="'ball' is empty"):
        object_of(np.zeros((2, 2), bool), name="ball", label=1, score=1.0)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_run_lengths_are_those_that_pycocotools_reads(mask: np.ndarray) -> None:
    codec = pytest.importorskip("pycocotools.mask")
    if mask.any():
        counts = object_of(mask, name="ball", label=1, score=1.0).run_lengths()
        runs = codec.frPyObjects({"size": list(mask.shape), "counts": counts}, *mask.shape)
        assert np.array_equal(codec.decode(runs).astype(bool), mask)
        assert min(counts[1:], default=1) > 0
