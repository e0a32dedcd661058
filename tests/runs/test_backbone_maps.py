"""Maps of every method that aligns last: averaged in the backbone's space, aligned when asked."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mapping.map_builders import frame
from radseg.errors import InputError
from radseg.mapping.voxel_map import VoxelMap
from radseg.methods.base import BackboneEncoder
from radseg.presets.load import load
from radseg.runs.lifting import FeatureLift, feature_mapper
from radseg.runs.map_query import MapQuery
from radseg.types import Size

ON_RADIO = [f"miniature-{name}" for name in ("radio", "naradio", "rayfronts", "proxyradio-d", "proxyradio-s")]
PROMPTS = ["red cushion", "blue cabinet", "floor"]


@cache
def small(name):
    return replace(load(name), short_side=96)


@cache
def map_of(name):
    mapper = feature_mapper(small(name), 0.2, dtype="float32")
    voxels = VoxelMap(mapper.description)
    for index in range(3):
        mapper.integrate(frame(index, size=Size(48, 64)), voxels)
    return voxels.to_semantic_map()


@pytest.mark.parametrize("name", ON_RADIO)
def test_every_method_on_radio_is_averaged_in_the_space_of_radsegs_maps(name):
    one, other = map_of("miniature"), map_of(name)
    assert other.space == one.space == "backbone:miniature"
    assert other.channels == one.channels == small(name).encoder.radio.width
    assert not torch.equal(other.whole().values, one.whole().values)


@pytest.mark.parametrize("name", ["miniature", *ON_RADIO])
def test_an_answer_is_what_the_aligned_average_says(name):
    segmenter, made = small(name), map_of(name)
    text, bank = segmenter.embed(PROMPTS, mode="background")
    with torch.inference_mode():
        aligned = F.normalize(segmenter.encoder.radio.to_language(made.whole().values), dim=1)
    rows = F.normalize(torch.cat([text.values, bank.values]), dim=1)
    expected = (100 * aligned.double() @ rows.double().T).softmax(1)[:, : len(PROMPTS)]
    answer = MapQuery(made, None, segmenter).ask(PROMPTS)
    order = np.lexsort(answer.keys.T[::-1])  # an answer goes tile by tile
    np.testing.assert_array_equal(answer.keys[order], made.whole().keys)
    np.testing.assert_allclose(answer.scores.T[order], expected.numpy(), rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["miniature", *ON_RADIO])
def test_images_are_the_alignment_of_what_is_lifted(name):
    segmenter, image = small(name), frame(size=Size(96, 144)).rgb
    lifted = FeatureLift(segmenter)(image)
    aligned = segmenter.encoder.align(lifted.flatten(1).mT).mT.unflatten(1, lifted.shape[1:])
    assert torch.equal(segmenter.encode(image).features.values, aligned)


def test_windows_that_are_aligned_first_are_lifted_as_they_are():
    segmenter = small("miniature")
    first = replace(segmenter, encoder=replace(segmenter.encoder, stitch_in="language"))
    image = frame(size=Size(96, 144)).rgb
    assert FeatureLift(first).space == first.encoder.space
    assert torch.equal(FeatureLift(first)(image), first.encode(image).features.values)


def test_a_method_that_reads_the_prompts_has_no_features_to_lift():
    scorer = small("miniature-resradio")
    assert not isinstance(scorer.encoder, BackboneEncoder)
    with pytest.raises(InputError, match="do not depend on the prompts; ResRADIO"):
        feature_mapper(scorer, 0.2)
