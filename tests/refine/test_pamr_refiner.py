from dataclasses import replace

import numpy as np
import pytest
import torch
from parity.small_models import load_small
from torch.nn import functional as F

from radseg.errors import InputError, MemoryBudgetError
from radseg.modes import MODES
from radseg.ops.pamr import pamr, pamr_weights
from radseg.presets.spec import model_spec
from radseg.refine.base import CoarseResult
from radseg.refine.pamr import CosinePamr, Pamr
from radseg.scoring import Cosines, all_cosines
from radseg.segment import Segmenter
from radseg.testing import ColourEncoder, ColourTextEncoder, draw_scene
from radseg.types import Size

WHOLE = Pamr(short_side=None)


def coarse_of(maps, size, **more):
    labels = torch.zeros(size, dtype=torch.uint8)
    return CoarseResult(maps, labels, torch.zeros(size), **more)


def test_labels_are_those_of_the_refined_maps():
    image, maps = torch.rand(3, 24, 32), torch.rand(5, 24, 32)
    refined = pamr(maps, pamr_weights(image))
    found = WHOLE.refine([image], [coarse_of(maps, (24, 32))])[0]
    assert torch.equal(found.labels.long(), refined.argmax(0) + 1)
    torch.testing.assert_close(found.confidence, refined.amax(0))


def test_names_in_turns_decide_as_all_at_once():
    image, maps = torch.rand(3, 40, 56), torch.rand(7, 5, 7)
    maps[3] = 0  # dropped by denoising
    one = Pamr(short_side=24).refine([image], [coarse_of(maps, (40, 56))])[0]
    other = Pamr(short_side=24, memory_budget=1).refine([image], [coarse_of(maps, (40, 56))])[0]
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(one.confidence, other.confidence)
    assert not (one.labels == 4).any()


def test_none_competes_and_the_threshold_counts():
    image, maps = torch.rand(3, 16, 16), torch.full((2, 1, 1), 0.3)
    none = torch.full((1, 1, 1), 0.4)
    assert not WHOLE.refine([image], [coarse_of(maps, (16, 16), none=none)])[0].labels.any()
    assert not WHOLE.refine([image], [coarse_of(maps, (16, 16), threshold=0.35)])[0].labels.any()
    assert (WHOLE.refine([image], [coarse_of(maps, (16, 16))])[0].labels == 1).all()


def test_it_moves_a_rough_edge_onto_the_images_edge():
    image = torch.zeros(3, 64, 64)
    image[:, :, 37:] = 1.0
    maps = torch.zeros(2, 4, 4)
    maps[0, :, :2], maps[1, :, 2:] = 1.0, 1.0  # the edge of the patches is at 32
    found = WHOLE.refine([image], [coarse_of(maps, (64, 64))])[0]
    assert (found.labels[:, :37] == 1).float().mean() > 0.99
    assert (found.labels[:, 37:] == 2).all()


@pytest.mark.parametrize("mode", ["background", "assign"])
def test_any_segmenter_can_have_it(mode):
    scene = draw_scene(120, 160)
    plain = Segmenter(ColourEncoder(16), ColourTextEncoder(), short_side=None)
    fine = replace(plain, refine=Pamr(short_side=None))
    words = ["blue", "green", "red", "white", "yellow", "brown"]
    rough, sharp = (s.segment(scene, words, mode=mode) for s in (plain, fine))
    assert rough.labels.shape == sharp.labels.shape
    assert (rough.labels == sharp.labels).mean() > 0.85
    assert (rough.labels != sharp.labels).any()
    many = list(fine.segment_many([scene, scene[:, ::-1].copy()], words, mode=mode, at_once=2))
    np.testing.assert_array_equal(many[0].labels, sharp.labels)


def test_independent_masks_are_refused():
    segmenter = Segmenter(ColourEncoder(), ColourTextEncoder(), short_side=None, refine=WHOLE)
    with pytest.raises(InputError, match="one label per pixel"):
        segmenter.segment(draw_scene(32, 32), ["red"], mode="independent")


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (33, 7)])
def test_tiny_and_thin_images_are_refined(size):
    found = Pamr(short_side=16).refine([torch.rand(3, *size)], [coarse_of(torch.rand(2, 1, 1), size)])[0]
    assert tuple(found.labels.shape) == size
    assert found.confidence.isfinite().all()


def test_the_first_of_equal_names_wins_in_turns_too():
    coarse = coarse_of(torch.rand(1, 4, 4).expand(3, 4, 4), (16, 16))
    found = Pamr(short_side=None, memory_budget=1).refine([torch.rand(3, 16, 16)], [coarse])[0]
    assert (found.labels == 1).all()


def test_where_every_name_was_dropped_the_decision_stays():
    coarse = coarse_of(torch.zeros(2, 4, 4), (16, 16))
    coarse.labels[:8], coarse.confidence[:8] = 1, 0.25  # as all_denoised="first" decides
    found = WHOLE.refine([torch.rand(3, 16, 16)], [coarse])[0]
    assert torch.equal(found.labels, coarse.labels)
    assert torch.equal(found.confidence, coarse.confidence)


def test_the_long_side_is_capped(monkeypatch):
    sizes = []

    def seen(image, **more):
        sizes.append(tuple(image.shape[1:]))
        return pamr_weights(image, **more)

    monkeypatch.setattr("radseg.refine.pamr.pamr_weights", seen)
    coarse = coarse_of(torch.rand(2, 2, 8), (20, 400))
    found = Pamr(short_side=40, long_side=200).refine([torch.rand(3, 20, 400)], [coarse])[0]
    assert sizes == [(10, 200)]
    assert tuple(found.labels.shape) == (20, 400)


def test_what_no_name_fits_stays_none():
    segmenter = Segmenter(ColourEncoder(), ColourTextEncoder(), short_side=None, denoising=0.0, refine=WHOLE)
    assert segmenter.segment(draw_scene(96, 128), ["purple"]).areas["purple"] == 0


def test_rows_of_cosines_in_turns_are_refined_as_all_at_once_by_the_resized_image():
    image, cosines = torch.rand(3, 20, 30), torch.rand(5, 48, 40)
    large = F.interpolate(image[None], (48, 40), mode="bilinear")[0]
    expected = pamr(cosines, pamr_weights(large, dilations=(8, 16)), dilations=(8, 16), iterations=10)
    for budget in (1, 2**28):
        torch.testing.assert_close(CosinePamr(memory_budget=budget).sharpen(cosines, image), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("enlarge", ["cosines", "probabilities"])
def test_cosines_are_sharpened_before_the_softmax_and_the_best_synonym(mode, enlarge):
    scene, words = draw_scene(60, 80), ["blue", ("green", "brown"), "red"]
    plain = Segmenter(
        ColourEncoder(8), ColourTextEncoder(), short_side=40, temperature=5.0, denoising=0.0, enlarge=enlarge
    )
    text, contrast = plain.embed(words, mode=mode)
    [seen] = plain.encode_many([scene], text, contrast)
    rows = all_cosines(seen, text if contrast is None else text.followed_by(contrast))
    if enlarge == "cosines":
        rows = F.interpolate(rows[None], (60, 80), mode="bilinear")[0]
    refined = CosinePamr().sharpen(rows, plain.fitted(scene))
    expected, _ = Cosines.of_rows(refined, text, contrast).probabilities(mode, temperature=5.0)
    found = replace(plain, sharpen=CosinePamr()).segment(scene, words, mode=mode)
    torch.testing.assert_close(found.scores, expected)
    assert (plain.segment(scene, words, mode=mode).scores - expected).abs().max() > 0.01


def test_cosines_are_sharpened_by_an_image_that_is_given_and_counted():
    fine = Segmenter(ColourEncoder(8), ColourTextEncoder(), enlarge="cosines", sharpen=CosinePamr())
    text, _ = fine.embed(["blue", "red"], mode="assign")
    [seen] = fine.encode_many([draw_scene(40, 40)], text, None)
    with pytest.raises(InputError, match="needs the image"):
        fine.decode(seen, Size(40, 40), text, None, mode="assign")
    with pytest.raises(MemoryBudgetError, match="needs 4[0-9]{2}MiB"):
        replace(fine, memory_budget=2**28).admitting(text, None, "It")(Size(900, 1000), 0)


def test_the_option_needs_enlarged_cosines_and_builds_what_it_says():
    with pytest.raises(InputError, match=r"-O enlarge=cosines"):
        model_spec("naclip-b", refine="pamr-cosines")
    built = load_small("naclip-b-paper-pamr")
    assert built.refine is None
    assert built.sharpen == CosinePamr(memory_budget=2**28)
