import numpy as np
import pytest
import torch

from oracles import textregion as oracle
from radseg.ops.region_masks import (
    box_iou,
    boxes_of,
    fuse,
    paint,
    stability,
    suppress,
    without_global_patches,
)
from radseg.types import Size


def blobs(count, side=24, seed=0):
    """Soft rectangles at random places, some within others."""
    generator = np.random.default_rng(seed)
    logits = np.full((count, side, side), -4.0)
    for mask in logits:
        y, x, height, width = (*generator.integers(0, side - 6, 2), *generator.integers(4, 16, 2))
        mask[y : y + height, x : x + width] = 4 * generator.random()
    return torch.from_numpy(logits + generator.normal(0, 0.1, logits.shape)).float()


def test_stability_is_one_for_a_mask_of_steep_edges_and_less_for_a_soft_one():
    steep = torch.where(torch.eye(8) > 0, 5.0, -5.0)
    soft = torch.zeros(8, 8)
    soft[:2] = 2.0
    assert stability(torch.stack([steep, soft])).tolist() == [1.0, 0.25]


def test_boxes_hold_their_masks():
    masks = blobs(9) > 0
    for mask, box in zip(masks, boxes_of(masks).tolist(), strict=True):
        assert tuple(box) == tuple(oracle.box(mask.numpy()))
    assert boxes_of(torch.zeros(1, 5, 5, dtype=torch.bool)).tolist() == [[0, 0, 0, 0]]


def test_overlap_of_boxes():
    boxes = boxes_of(blobs(9) > 0)
    for one in boxes:
        expected = [oracle.overlap(one.tolist(), other.tolist()) for other in boxes]
        assert box_iou(one, boxes).tolist() == pytest.approx(expected)


def test_suppression_keeps_the_best_of_what_overlaps_and_the_first_of_equals():
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [0, 0, 10, 10]])
    assert suppress(boxes, torch.tensor([0.7, 0.9, 0.8, 0.7]), iou=0.85).tolist() == [1, 2]
    assert suppress(boxes, torch.tensor([0.7, 0.7, 0.7, 0.7]), iou=0.85).tolist() == [0, 2]
    assert suppress(boxes, torch.tensor([0.7, 0.9, 0.8, 0.7]), iou=0.95).tolist() == [1, 2, 0]
    assert suppress(boxes[:0], torch.zeros(0), iou=0.5).tolist() == []


def test_what_lies_in_another_is_fused_with_it():
    masks = torch.zeros(3, 8, 8)
    masks[0, :6, :6], masks[1, 1:5, 1:5], masks[2, 4:, 4:] = 2.0, 2.2, 1.0
    fused = fuse(masks, boxes_of(masks > 0))
    assert torch.equal(fused, torch.stack([torch.maximum(masks[0], masks[1]), masks[2]]))


def test_of_overlapping_masks_the_largest_is_painted_last():
    logits = torch.full((3, 8, 8), -1.0)
    logits[0, 2:4, 2:4] = logits[1, :4, :4] = logits[2, 3:6, 3:8] = 1.0  # 4, 16 and 15 cells
    expected = torch.zeros(8, 8, dtype=torch.int32)
    expected[3:6, 3:8], expected[:4, :4] = 3, 2
    assert torch.equal(paint(logits, Size(8, 8)), expected)
    assert torch.equal(paint(logits, Size(16, 16))[4:6, 4:6], torch.full((2, 2), 2, dtype=torch.int32))
    assert not paint(logits[:0], Size(5, 3)).any()


@pytest.mark.parametrize("size", [(8, 8), (31, 50), (7, 5), (100, 3), (1, 1), (24, 24)])
@pytest.mark.parametrize("seed", range(3))
def test_painting_is_bilinear_enlarging_of_whole_masks(size, seed):
    logits = blobs(9, seed=seed)
    expected = torch.zeros(size, dtype=torch.int32)
    for i in (logits > 0).flatten(1).sum(1).argsort(stable=True).tolist():
        whole = torch.nn.functional.interpolate(logits[i, None, None], size, mode="bilinear")[0, 0]
        expected[whole > 0] = i + 1
    assert torch.equal(paint(logits, Size(*size)), expected)


def test_a_cell_belongs_to_the_mask_at_its_middle():
    logits = torch.full((1, 16, 16), -1.0)
    logits[0, 3:13, :] = 1.0  # four cells to a cell below; its middle lies between the second and the third
    assert paint(logits, Size(4, 4))[:, 0].tolist() == [0, 1, 1, 0]


def test_patches_like_all_regions_are_taken_out():
    generator = np.random.default_rng(1)
    masks, values = (generator.random((3, 12)) - 0.4).clip(0), generator.normal(size=(12, 5))
    for least in (-0.3, 0.0, 0.07, 0.4):
        unit = torch.nn.functional.normalize(torch.from_numpy(values), dim=1)
        found = without_global_patches(torch.from_numpy(masks), unit, min_locality=least)
        np.testing.assert_allclose(found.numpy(), oracle.local(masks, values, least))
