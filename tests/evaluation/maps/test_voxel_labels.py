"""From probabilities to labels: denoising over the map, threshold, voxels without direction."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.evaluation.maps.voxel_labels import (
    predict_labels,
    predict_labels_by_chunk,
    voxel_probabilities,
)


def test_a_class_that_is_nowhere_probable_is_removed_without_renormalising():
    p = torch.tensor([[0.45, 0.40, 0.15], [0.10, 0.60, 0.30]]).T
    assert predict_labels(p).tolist() == [2, 2]
    assert predict_labels(p, denoising=0.0, threshold=0.1).tolist() == [1, 2]
    assert predict_labels(p, denoising=0.5, threshold=0.45).tolist() == [0, 2]
    assert predict_labels(p, denoising=0.7, threshold=0.0).tolist() == [0, 0]


@given(st.integers(0, 1000))
def test_labels_of_the_whole_map_do_not_depend_on_the_order_of_its_voxels(seed):
    generator = torch.Generator().manual_seed(seed)
    p, order = torch.rand(5, 60, generator=generator).softmax(0), torch.randperm(60, generator=generator)
    limits = {"denoising": 0.25, "threshold": 0.22}
    assert torch.equal(predict_labels(p[:, order], **limits), predict_labels(p, **limits)[order])


def test_labels_by_chunk_do_depend_on_it():
    p = torch.tensor([[0.45, 0.40, 0.15], [0.60, 0.20, 0.20]]).T
    assert predict_labels_by_chunk(p, rows=2).tolist() == [1, 1]
    assert predict_labels_by_chunk(p, rows=1).tolist() == [0, 1]


def test_a_voxel_without_direction_is_none_and_changes_nothing_else():
    """The published code gives it class 1 and stops denoising for its whole chunk."""
    text = torch.eye(3) + 0.6
    features = torch.tensor([[1.0, 0.95, 0.9], [0.0, 0.0, 0.0], [torch.nan] * 3, [0.0, 1.0, 0.0]])
    p = voxel_probabilities(features, text)
    assert not p[:, 1:3].any()
    alone = predict_labels(p[:, [0, 3]])
    assert predict_labels(p).tolist() == [int(alone[0]), 0, 0, int(alone[1])]
    assert predict_labels(p, denoising=0.0, threshold=0.0).tolist()[1:3] == [0, 0]


def test_an_empty_map_has_no_labels():
    assert len(predict_labels(torch.empty(3, 0))) == 0
    assert len(predict_labels_by_chunk(torch.empty(3, 0))) == 0
