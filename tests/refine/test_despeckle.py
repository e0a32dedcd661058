"""Small regions take the label of the nearest larger one; sizes, gaps and the option that turns it on."""

import numpy as np
import pytest
import torch
from scipy.ndimage import label as scipy_label

from radseg.errors import InputError
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.refine.base import CoarseResult
from radseg.refine.despeckle import Despeckle


def despeckled(labels, min_area):
    labels = torch.tensor(np.array(labels), dtype=torch.uint8)
    confidence = torch.linspace(0.1, 0.9, labels.numel()).reshape(labels.shape)
    (found,) = Despeckle(min_area).refine([None], [CoarseResult(torch.ones(2, 1, 1), labels, confidence)])
    return found, confidence


def test_a_small_region_takes_label_and_confidence_of_the_nearest_larger_one():
    labels = np.ones((6, 9), np.uint8)
    labels[:, 6:] = 2
    labels[2, 2], labels[3:5, 7] = 3, 0
    found, confidence = despeckled(labels, 3)
    assert found.labels.tolist() == [[1] * 6 + [2] * 3] * 6
    assert found.confidence[2, 2] in [confidence[1, 2], confidence[2, 1], confidence[2, 3], confidence[3, 2]]
    untouched = labels == found.labels.numpy()
    assert torch.equal(found.confidence[untouched], confidence[untouched])
    assert (found.regions, found.accepted) == (4, 2)
    assert found.labels.dtype == torch.uint8


def test_regions_of_the_least_size_stay_and_where_all_are_smaller_nothing_changes():
    labels = [[1, 1, 2], [1, 1, 2]]
    assert despeckled(labels, 2)[0].labels.tolist() == labels
    assert despeckled(labels, 3)[0].labels.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert despeckled(labels, 5)[0].labels.tolist() == labels


@pytest.mark.parametrize("seed", range(20))
def test_nothing_small_is_left_and_what_is_large_keeps_its_label(seed):
    labels = np.random.default_rng(seed).integers(0, 3, (12, 15)).repeat(2, 0).repeat(2, 1)
    found = despeckled(labels, 30)[0].labels.numpy()
    large = np.zeros(labels.shape, bool)
    for value in range(3):
        numbers, count = scipy_label(labels == value, np.ones((3, 3)))
        for number in range(1, count + 1):
            large |= (numbers == number) & ((numbers == number).sum() >= 30)
    assert large.any()
    assert np.array_equal(found[large], labels[large])
    for value in range(3):
        numbers, count = scipy_label(found == value, np.ones((3, 3)))
        assert all((numbers == number).sum() >= 30 for number in range(1, count + 1))


def test_it_is_an_option_of_the_methods_that_have_a_least_area():
    segmenter = load("miniature", refine="despeckle", min_area=400)
    assert segmenter.refine == Despeckle(400)
    with pytest.raises(InputError, match="naclip-b cannot refine as 'despeckle'"):
        load(model_spec("naclip-b", refine="despeckle"))
