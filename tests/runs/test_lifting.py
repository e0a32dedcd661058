"""What models lift: aligned features, probabilities of words, refined labels."""

from dataclasses import dataclass, replace

import pytest
import torch

from mapping.map_builders import frame
from radseg.errors import InputError, VocabularyError
from radseg.mapping.compression import Basis
from radseg.methods.base import align_map
from radseg.ops.resize import resize
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.refine.base import Refinement
from radseg.runs.lifting import (
    FeatureLift,
    colour_mapper,
    encoder_of,
    feature_mapper,
    for_features,
    probability_mapper,
    unrefined,
    with_segments,
)
from radseg.types import Size


@pytest.fixture(scope="module")
def toy():
    return load("toy")


@pytest.fixture(scope="module")
def image():
    """Red on the left, blue on the right."""
    image = torch.zeros(3, 64, 96)
    image[0, :, :48], image[2, :, 48:] = 0.86, 0.86
    return image


def test_features_without_alignment_are_those_of_the_model(toy, image):
    lift = FeatureLift(toy)
    assert lift.space == toy.encoder.space
    assert torch.equal(lift(image), toy.encode(image).values)


def test_features_of_radio_are_aligned_by_the_model_afterwards(image):
    small = replace(load("miniature"), short_side=96)
    features = FeatureLift(small)(image)
    aligned = align_map(small.encoder.align, features)
    assert torch.allclose(aligned, small.encode(image).values, atol=1e-5)
    assert features.shape[0] == small.encoder.radio.config.width


def test_a_frame_takes_what_its_model_takes(toy):
    colours, features = colour_mapper(0.1), feature_mapper(toy, 0.1)
    few = probability_mapper(toy, "red, blue", 0.1)
    lifted = [one.frame_bytes(frame()) for one in (colours, features, few)]
    assert lifted == sorted(set(lifted))
    refined = replace(few, lift=replace(few.lift, segmenter=replace(toy, refine=HalfSure())))
    # Two names and none at every pixel, once as they are filled in and once as they are handed on.
    assert refined.frame_bytes(frame()) - lifted[2] >= 2 * 3 * 4 * 24 * 32


def test_components_take_what_their_values_take(toy):
    features = feature_mapper(toy, 0.1)
    channels = features.description.channels
    basis = Basis(torch.zeros(channels), torch.eye(channels)[:, :2], 1.0)
    assert features.compressed(basis, "0" * 64).frame_bytes(frame()) == features.frame_bytes(frame())


def test_probabilities_sum_to_one_over_names_that_are_there(toy, image):
    mapper = probability_mapper(toy, "red, blue, green", 0.1)
    values = mapper.lift(image)
    assert mapper.description.names == ("red", "blue", "green")
    assert float(values[0, :, 0].min()) > 0.9
    assert float(values[1, :, -1].min()) > 0.9
    assert not values[2].any(), "green is nowhere probable: denoised"


def test_one_name_alone_is_refused(toy):
    with pytest.raises(VocabularyError, match="Add more names"):
        probability_mapper(toy, "red", 0.1)


@dataclass(frozen=True)
class HalfSure:
    """Refiner that labels the top half 1 and the rest nothing, with confidence 0.75."""

    def refine(self, images, coarse):
        labels = torch.zeros_like(coarse[0].labels)
        labels[: labels.shape[0] // 2] = 1
        return [Refinement(labels, torch.full(labels.shape, 0.75), 1, 1)]


def test_refined_labels_are_lifted_at_full_size(toy, image):
    values = probability_mapper(replace(toy, refine=HalfSure()), "red, blue", 0.1).lift(image)
    assert values.shape == (2, 64, 96)
    assert torch.equal(values[0, :32], torch.full((32, 96), 0.75))
    assert not values[0, 32:].any()
    assert not values[1].any()


def test_refinement_has_no_place_in_a_map_of_features(toy):
    with pytest.raises(InputError, match="map of features has none"):
        feature_mapper(replace(toy, refine=HalfSure()), 0.1)


@pytest.mark.parametrize("model", ["radseg-b", "miniature", "naclip-b", "trident-b", "corrclip-radio-b"])
def test_a_method_that_refines_by_itself_makes_features_without(model):
    spec = model_spec(model)
    assert for_features(spec) == spec.changed(refine="none")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("radseg-b+", "a map of features has none. Use radseg-b, which is radseg-b. without it"),
        ("miniature+", "Use miniature, "),
        ("resclip-b", "do not depend on the prompts; resclip-b reads them"),
    ],
)
def test_a_model_that_makes_no_features_is_refused_before_it_is_fetched(model, message):
    with pytest.raises(InputError, match=message):
        for_features(model_spec(model))


def test_maps_of_the_same_model_agree_whatever_the_machine(toy):
    one = feature_mapper(toy, 0.1).description
    other = feature_mapper(load("toy", memory_budget=2**20), 0.1).description
    assert one == other
    assert "device" not in one.encoder


def test_the_frame_is_named_in_every_kind_of_map(toy):
    makers = (
        colour_mapper(0.1, frame="garden"),
        feature_mapper(toy, 0.1, frame="garden"),
        probability_mapper(toy, "red, blue", 0.1, frame="garden"),
    )
    assert {mapper.description.frame for mapper in makers} == {"garden"}


def test_limits_reach_the_mapper():
    mapper = colour_mapper(0.1, max_points=7)
    assert int(mapper.sums(frame()).counts.sum()) == 7


def test_the_grid_covers_the_image(toy):
    """A lift on another grid of the same image gives nearly the same map: corners meet corners."""
    one = frame(size=Size(64, 96))
    fine = feature_mapper(toy, 0.2)
    coarse = replace(fine, lift=lambda rgb: resize(fine.lift(rgb), Size(80, 120)))
    left, right = fine.sums(one), coarse.sums(one)
    assert float((left.values - right.values).abs().max() / left.counts.max()) < 0.02


def test_2d_objects_of_a_frame_leave_stuff_and_other_things_out(toy, image):
    image = image.clone()
    image[:, :, 90:] = 0.5  # grey: neither of the names
    mapper = with_segments(feature_mapper(toy, 0.1), toy, ["red", "blue wall"])
    numbers = mapper.find_segments(image)
    assert set(numbers[:, :40].unique().tolist()) == {1}
    assert set(numbers[:, 56:].unique().tolist()) == {0}


def test_one_model_lifts_features_and_refines_2d_objects():
    refined = load("miniature+")
    assert encoder_of(unrefined(refined)) == encoder_of(load("miniature+", refine="none"))
    model = model_spec("miniature+")
    assert for_features(model, objects=True).options.refine == "none"
    with pytest.raises(InputError, match="let it look for --objects"):
        for_features(model)
