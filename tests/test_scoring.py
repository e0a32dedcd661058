import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import decision as oracle
from radseg.errors import SpaceMismatchError
from radseg.modes import MODES
from radseg.ops.cosine import point_cosine, row_cosine, unit_points
from radseg.scoring import (
    Cosines,
    class_cosine,
    class_probabilities,
    contrasted_probabilities,
    decide,
    independent_probabilities,
)
from radseg.types import LanguageFeatures, Size, TextEmbeddings


def peaky(classes, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(classes, height, width, generator=generator)).softmax(0)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 23),
    st.integers(1, 23),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.0, 0.4]),
    st.integers(0, 99),
)
def test_streamed_decision_equals_the_plain_form(c, h, w, height, width, denoising, threshold, seed):
    low = peaky(c, h, w, seed)
    ours = decide(
        low, Size(height, width), denoising=denoising, threshold=threshold, stream_bytes=8 * height * width
    )
    labels, confidence, margin = oracle.decide(low.double().numpy(), height, width, denoising, threshold)
    np.testing.assert_allclose(ours.confidence.numpy(), confidence, atol=1e-6)
    clear = (margin > 1e-5) & (np.abs(confidence - threshold) > 1e-5)
    np.testing.assert_array_equal(ours.labels.numpy()[clear], labels[clear])


def test_names_streamed_one_by_one_decide_as_all_at_once():
    low, size = peaky(12, 9, 7), Size(61, 43)
    one = decide(low, size, denoising=0.5, stream_bytes=1)
    every = decide(low, size, denoising=0.5)
    assert torch.equal(one.labels, every.labels)
    torch.testing.assert_close(one.confidence, every.confidence)  # the kernel depends on the count: 1 ulp
    assert torch.equal(one.kept, every.kept)


def test_first_of_equal_names_wins():
    assert (decide(torch.full((3, 2, 2), 1 / 3), Size(5, 5), stream_bytes=1).labels == 1).all()


def test_denoising_uses_the_upsampled_maximum_not_the_low_resolution_one():
    low = torch.tensor([[[0.6, 0.0]], [[0.4, 1.0]]])
    # Shrunk to one pixel the first name averages 0.3 and falls under the threshold that its own peak passes.
    assert not decide(low, Size(1, 1), denoising=0.5).kept[0]
    assert decide(low, Size(1, 2), denoising=0.5).kept[0]


def test_names_dropped_everywhere_leave_none():
    decision = decide(torch.full((4, 3, 3), 0.25), Size(6, 6), denoising=0.5)
    assert not decision.kept.any()
    assert (decision.labels == 0).all()


def test_none_wins_where_it_is_more_probable_than_every_name():
    names = torch.tensor([[[0.6, 0.2]], [[0.1, 0.3]]])
    decision = decide(names, Size(1, 2), none=1 - names.sum(0, keepdim=True))
    assert decision.labels.tolist() == [[1, 0]]


def test_more_than_254_names_need_wider_labels():
    low = torch.zeros(300, 1, 1)
    low[299] = 1
    assert int(decide(low, Size(2, 2)).labels[0, 0]) == 300


def test_cosine_ignores_length_and_takes_the_best_synonym():
    features = LanguageFeatures(torch.randn(6, 3, 4), "s")
    rows = torch.randn(3, 6)
    text = TextEmbeddings(("a", "b"), rows, (0, 0, 1), "s")
    unit = torch.nn.functional.normalize(features.values, dim=0)
    expected = torch.einsum("re,ehw->rhw", torch.nn.functional.normalize(rows, dim=1), unit)
    ours = class_cosine(LanguageFeatures(features.values * 7, "s"), text)
    torch.testing.assert_close(ours[0], expected[:2].amax(0))
    torch.testing.assert_close(ours[1], expected[2])


def test_another_space_is_refused():
    text = TextEmbeddings(("a",), torch.randn(1, 6), (0,), "clip")
    with pytest.raises(SpaceMismatchError, match="'clip'.*'siglip2'"):
        class_cosine(LanguageFeatures(torch.randn(6, 2, 2), "siglip2"), text)


def test_probabilities_sum_to_one_with_the_bank():
    names, bank = torch.randn(3, 4, 4), torch.randn(2, 4, 4)
    own, none = contrasted_probabilities(names, bank, temperature=5.0)
    torch.testing.assert_close(own.sum(0) + none[0], torch.ones(4, 4))
    torch.testing.assert_close(class_probabilities(names, temperature=5.0).sum(0), torch.ones(4, 4))


def test_independent_probability_is_the_name_alone_against_the_bank():
    names, bank = torch.randn(3, 4, 4), torch.randn(2, 4, 4)
    together = independent_probabilities(names, bank, temperature=5.0)
    for i in range(3):
        alone, _ = contrasted_probabilities(names[i : i + 1], bank, temperature=5.0)
        torch.testing.assert_close(together[i], alone[0])


@given(st.integers(1, 7), st.integers(1, 50), st.floats(0, 0.9), st.floats(0, 0.6), st.integers(0, 99))
def test_places_are_decided_as_the_pixels_of_an_image_at_its_own_size(c, places, denoising, threshold, seed):
    low = peaky(c, 1, places, seed)
    image = decide(low, Size(1, places), denoising=denoising, threshold=threshold)
    points = decide(low[:, 0], denoising=denoising, threshold=threshold, stream_bytes=1)
    assert torch.equal(points.labels, image.labels[0])
    assert torch.equal(points.confidence, image.confidence[0])
    assert torch.equal(points.kept, image.kept)


def test_none_wins_a_place_and_stays_as_it_is():
    names, none = torch.tensor([[0.6, 0.2, 0.0]]), torch.tensor([[0.4, 0.8, 0.0]])
    given_none = none.clone()
    assert decide(names, none=none).labels.tolist() == [1, 0, 0]
    assert decide(names, none=none, denoising=0.9).labels.tolist() == [0, 0, 0]
    assert torch.equal(none, given_none)


@pytest.mark.parametrize("mode", MODES)
def test_probabilities_do_not_depend_on_how_places_are_laid_out(mode):
    bank = None if mode == "assign" else torch.rand(3, 4, 6)
    image = Cosines(torch.rand(5, 4, 6), bank)
    points = Cosines(image.names.flatten(1), None if bank is None else bank.flatten(1))
    for one, other in zip(image.probabilities(mode), points.probabilities(mode), strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one.flatten(1), other)


def test_points_have_the_cosines_of_patches():
    features, rows = torch.randn(40, 25, 37), torch.randn(5, 40)
    points = point_cosine(unit_points(features.flatten(1).mT), rows)
    torch.testing.assert_close(points, row_cosine(features, rows).flatten(1), rtol=0, atol=1e-6)
