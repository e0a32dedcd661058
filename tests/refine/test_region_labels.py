"""One name per region, and which masks of SAM 2 are regions."""

from dataclasses import replace

import pytest
import torch

from radseg.errors import InputError
from radseg.models.sam2 import PointMasks
from radseg.models.sam2_regions import Sam2Regions
from radseg.refine.base import CoarseResult
from radseg.refine.region_labels import RegionLabels, votes
from radseg.segment import Segmenter
from radseg.testing import ColourEncoder, ColourTextEncoder, draw_scene
from radseg.types import LanguageFeatures


class Finds:
    """A SAM 2 that gives these logits "q k k" with these scores for every image."""

    def __init__(self, logits, scores=None):
        self.masks = PointMasks(logits[:, None], torch.ones(len(logits), 1) if scores is None else scores)

    def masks_of_grid(self, image, *, side, single):
        return self.masks


def rectangle(top, bottom, left, right, side=8, edge=4.0):
    logits = torch.full((side, side), -edge)
    logits[top:bottom, left:right] = edge
    return logits


def coarse_of(labels, *logits):
    confidence = torch.linspace(0.2, 0.9, labels.numel()).reshape(labels.shape)
    masks = torch.stack(logits) if logits else torch.zeros(0, 8, 8)
    return CoarseResult(torch.ones(3, 1, 1), labels, confidence, regions=masks)


def settled(coarse):
    (found,) = RegionLabels().refine([torch.rand(3, *coarse.size)], [coarse])
    return found


def test_a_region_takes_the_name_most_of_its_pixels_have():
    labels = torch.full((8, 8), 3, dtype=torch.uint8)
    labels[:4, :3], labels[:4, 3] = 1, 2  # the region: 12 of name 1, 4 of name 2
    labels[5, 5] = 0
    coarse = coarse_of(labels, rectangle(0, 4, 0, 4))
    found = settled(coarse)
    expected = labels.clone()
    expected[:4, 3] = 1
    assert torch.equal(found.labels, expected)
    assert found.labels.dtype == torch.uint8
    kept = torch.ones(8, 8, dtype=torch.bool)
    kept[:4, 3] = False
    assert torch.equal(found.confidence[kept], coarse.confidence[kept])
    torch.testing.assert_close(found.confidence[~kept], coarse.confidence[:4, :3].mean().expand(4))
    assert (found.regions, found.accepted) == (1, 1)


def test_a_region_mostly_without_a_name_loses_those_it_has():
    labels = torch.zeros(8, 8, dtype=torch.int32)
    labels[0, 0] = 300
    found = settled(coarse_of(labels, rectangle(0, 4, 0, 4)))
    assert not found.labels.any()
    assert found.labels.dtype == torch.int32


def test_a_region_hidden_under_a_larger_one_is_not_counted():
    labels = torch.ones(16, 16, dtype=torch.uint8)
    found = settled(coarse_of(labels, rectangle(1, 3, 1, 3), rectangle(0, 6, 0, 6)))
    assert (found.regions, found.accepted) == (2, 1)


def test_without_regions_nothing_changes():
    coarse = coarse_of(torch.randint(0, 4, (8, 8), dtype=torch.uint8))
    found = settled(coarse)
    assert torch.equal(found.labels, coarse.labels)
    assert torch.equal(found.confidence, coarse.confidence)


def test_of_equally_frequent_names_the_first_wins_with_its_own_confidence():
    numbers = torch.tensor([[1, 1, 1, 1, 2, 0]], dtype=torch.int32)
    labels = torch.tensor([[3, 2, 2, 3, 5, 1]], dtype=torch.uint8)
    confidence = torch.tensor([[0.9, 0.2, 0.4, 0.9, 0.5, 0.7]])
    winners, means = votes(numbers, labels, confidence, 3)
    assert winners.tolist() == [1, 2, 5, 0]
    torch.testing.assert_close(means.float(), torch.tensor([0.7, 0.3, 0.5, 0.0]))


def test_strips_change_nothing(monkeypatch):
    labels = torch.randint(0, 4, (40, 30), dtype=torch.uint8)
    coarse = coarse_of(labels, rectangle(0, 5, 1, 6), rectangle(4, 8, 0, 8))
    whole = settled(coarse)
    monkeypatch.setattr("radseg.refine.region_labels.STRIP_PIXELS", 70)
    striped = settled(coarse)
    assert torch.equal(striped.labels, whole.labels)
    assert torch.equal(striped.confidence, whole.confidence)
    assert not torch.equal(whole.labels, labels)
    assert torch.equal(coarse.labels, labels)


def test_masks_sam_is_not_sure_of_are_no_regions():
    sure, flat = rectangle(0, 4, 0, 4), rectangle(5, 8, 0, 8, edge=0.5)  # flat: nothing above 1
    empty, apart = torch.full((8, 8), -4.0), rectangle(4, 8, 4, 8)
    scores = torch.tensor([[0.9], [0.9], [0.9], [0.4]])
    find = Sam2Regions(Finds(torch.stack([sure, flat, empty, apart]), scores))
    image = torch.rand(3, 20, 30)
    assert torch.equal(find(image), sure[None])
    assert len(replace(find, min_iou=0.39)(image)) == 2
    assert len(replace(find, min_iou=0.39, min_stability=0.0)(image)) == 3  # never an empty one


def test_of_masks_whose_boxes_agree_the_surer_stays():
    one, other = rectangle(0, 6, 0, 6), rectangle(0, 6, 0, 7)
    find = Sam2Regions(Finds(torch.stack([one, other]), torch.tensor([[0.8], [0.9]])))
    assert torch.equal(find(torch.rand(3, 9, 9)), other[None])
    assert len(replace(find, box_iou=0.99)(torch.rand(3, 9, 9))) == 2


class WithRegions(ColourEncoder):
    """Colours, and one region: the left half."""

    def encode(self, images):
        masks = rectangle(0, 8, 0, 4)[None]
        return [LanguageFeatures(one.values, one.space, masks) for one in super().encode(images)]


@pytest.mark.parametrize("mode", ["background", "assign"])
def test_a_segmenter_hands_the_regions_on(mode):
    plain = Segmenter(WithRegions(16), ColourTextEncoder(), short_side=None)
    words = ["blue", "green", "red", "white"]
    before, after = (
        s.segment(draw_scene(90, 120), words, mode=mode)
        for s in (plain, replace(plain, refine=RegionLabels()))
    )
    assert len(set(before.labels[:, :60].flatten().tolist())) > 1
    assert len(set(after.labels[:, :60].flatten().tolist())) == 1
    assert (after.labels[:, 60:] == before.labels[:, 60:]).all()
    assert after.meta["regions"] == 1


def test_features_without_regions_are_refused():
    segmenter = Segmenter(ColourEncoder(16), ColourTextEncoder(), short_side=None, refine=RegionLabels())
    with pytest.raises(InputError, match="These features bring no regions"):
        segmenter.segment(draw_scene(90, 120), ["blue", "red"])
