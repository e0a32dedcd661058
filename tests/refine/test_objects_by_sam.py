"""Objects by SAM: which prompts are made, which masks are taken, and that the labels do not change."""

import numpy as np
import pytest
import torch
from refine_builders import BoxSam, coarse_of, refiner

from radseg.errors import InputError
from radseg.objects import ImageObject
from radseg.refine.base import CoarseResult, Refinement
from radseg.refine.objects import ConnectedParts, SamObjects, finder_beside

SIZE = (64, 96)
NAMES = ("mug", "bowl", "wall")


def scene(*blocks: tuple[int, int, int, int, int, float], wall: float = 0.6) -> CoarseResult:
    """A wall on a grid of 16 × 24, and blocks: name, top, bottom, left, right, probability."""
    low = torch.full((3, 16, 24), 0.05)
    low[2] = wall
    for name, top, bottom, left, right, probability in blocks:
        low[:, top:bottom, left:right] = 0.02
        low[name, top:bottom, left:right] = probability
    return coarse_of(low, SIZE)


def found_in(coarse: CoarseResult, sam: BoxSam | None = None, **changes: object) -> list[ImageObject]:
    finder = SamObjects(refiner(sam, masks_kept=99), **changes)  # type: ignore[arg-type]
    return finder.find(NAMES, coarse, finder.refiner.refine([torch.rand(3, *SIZE)], [coarse])[0])


def test_two_far_regions_are_two_objects_and_stuff_is_whole() -> None:
    found = found_in(scene((0, 2, 8, 2, 8, 0.9), (0, 2, 8, 16, 22, 0.8)))
    assert sorted((one.name, one.how) for one in found) == [
        ("mug", "SAM prompt"),
        ("mug", "SAM prompt"),
        ("wall", "whole class"),
    ]
    mugs = [one for one in found if one.name == "mug"]
    assert [one.box[0] < 48 for one in mugs] == [True, False]  # the surer one first
    assert mugs[0].score > mugs[1].score > 0.5


def test_no_pixel_is_in_two_objects() -> None:
    found = found_in(scene((0, 2, 8, 2, 10, 0.9), (1, 4, 12, 8, 16, 0.8)))
    assert np.sum([one.mask for one in found], axis=0).max() == 1


def test_neighbouring_regions_of_a_name_become_one_object() -> None:
    split = scene((0, 2, 5, 2, 8, 0.9), (0, 7, 11, 2, 8, 0.9))
    assert len([one for one in found_in(split, gap=0.2) if one.name == "mug"]) == 1
    assert len([one for one in found_in(split, gap=0.0) if one.name == "mug"]) == 2


def test_a_region_grows_to_where_no_name_won() -> None:
    coarse = scene((0, 2, 8, 2, 8, 0.9))
    labels = coarse.labels.clone()
    labels[:, 20:] = 0  # none of the names, although the mug is the best of them there
    partly = CoarseResult(coarse.probabilities, labels, coarse.confidence)
    (mug,) = (one for one in found_in(partly) if one.name == "mug")
    assert mug.box[2] > 28
    assert not [one for one in found_in(partly, grow=0.95) if one.name == "mug"]


def test_a_region_of_which_the_label_map_has_nothing_is_no_object() -> None:
    coarse = scene((0, 2, 8, 2, 8, 0.9), (1, 2, 8, 16, 22, 0.4))
    labels = torch.where(coarse.labels == 2, 0, coarse.labels)
    assert "bowl" in [one.name for one in found_in(coarse, min_score=0.0)]
    without = CoarseResult(coarse.probabilities, labels, coarse.confidence)
    assert "bowl" not in [one.name for one in found_in(without, min_score=0.0)]


@pytest.mark.parametrize("changes", [{"min_iou": 1.1}, {"min_score": 0.95}])
def test_unsure_masks_are_no_objects(changes: dict[str, float]) -> None:
    found = found_in(scene((0, 2, 8, 2, 8, 0.9)), **changes)
    assert [one.name for one in found] == ["wall"]


def test_what_was_decoded_for_the_labels_is_not_decoded_again() -> None:
    sam = BoxSam()
    found_in(scene((0, 2, 8, 2, 8, 0.9), (1, 2, 8, 16, 22, 0.8)), sam)
    assert sum(sam.batches) == 3  # the regions of RADSeg+: mug, bowl and wall


def test_the_order_of_names_does_not_matter() -> None:
    coarse = scene((0, 2, 8, 2, 10, 0.8), (1, 4, 12, 8, 16, 0.8))
    turned = coarse_of(coarse.probabilities[[2, 1, 0]], SIZE)
    finder = SamObjects(refiner(masks_kept=99))
    other = finder.find(NAMES[::-1], turned, finder.refiner.refine([torch.rand(3, *SIZE)], [turned])[0])
    assert [(one.name, one.box, one.area) for one in other] == [
        (one.name, one.box, one.area) for one in found_in(coarse)
    ]


def test_keeping_masks_changes_no_label() -> None:
    coarse, image = scene((0, 2, 8, 2, 8, 0.9)), torch.rand(3, *SIZE)
    without, kept = (refiner(masks_kept=count).refine([image], [coarse])[0] for count in (0, 99))
    assert torch.equal(without.labels, kept.labels)
    assert torch.equal(without.confidence, kept.confidence)
    assert without.seen is None
    assert kept.seen is not None


def test_an_image_without_regions_has_no_objects() -> None:
    coarse = coarse_of(torch.full((3, 16, 24), 0.01), SIZE)
    assert found_in(coarse) == []


def test_without_the_refinement_of_sam_it_says_what_to_do() -> None:
    coarse = scene()
    with pytest.raises(InputError, match="with_objects"):
        SamObjects(refiner(masks_kept=9)).find(NAMES, coarse, coarse)
    with pytest.raises(InputError, match="with_objects"):
        SamObjects(refiner()).find(NAMES, coarse, Refinement(coarse.labels, coarse.confidence, 0, 0))


def test_without_sam_objects_are_connected_parts() -> None:
    refine, finder = finder_beside(None, {"mug"})
    assert refine is None
    assert isinstance(finder, ConnectedParts)
    coarse = scene((0, 2, 8, 2, 8, 0.9), (0, 2, 8, 16, 22, 0.8))
    assert [(one.name, one.how) for one in ConnectedParts({"mug"}, 16).find(NAMES, coarse, coarse)] == [
        ("mug", "whole class"),
        ("wall", "connected part"),
    ]
