import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import radseg
from builders import tiny_radio
from radseg.errors import InputError, MemoryBudgetError, SpaceMismatchError, VocabularyError
from radseg.io import to_rgb
from radseg.methods.radseg import RADSeg
from radseg.refine.despeckle import Despeckle
from radseg.scoring import decide
from radseg.segment import MODES, Segmenter
from radseg.testing import COLOURS, ColourEncoder, ColourTextEncoder, draw_scene
from radseg.text.pack import VocabularyPack
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings

TOY = Segmenter(ColourEncoder(), ColourTextEncoder(), short_side=None)


def flag(*colours, side=32):
    """Vertical stripes of named colours, uint8 H×W×3."""
    stripes = [np.full((side, side, 3), COLOURS[c], np.uint8) for c in colours]
    return np.concatenate(stripes, axis=1)


def middle(result, stripe, side=32):
    return int(result.labels[side // 2, stripe * side + side // 2])


@pytest.mark.parametrize("mode", MODES)
def test_prompts_find_what_they_mean(mode):
    result = TOY.segment(flag("red", "green", "blue"), ["blue", "red", "green"], mode=mode)
    assert [middle(result, i) for i in range(3)] == [2, 3, 1]
    assert result.names == ("blue", "red", "green")


def test_background_leaves_what_no_name_fits():
    result = TOY.segment(flag("red", "green"), ["red", "blue"])
    assert (middle(result, 0), middle(result, 1)) == (1, 0)
    assert result.areas["blue"] == 0


def test_assign_gives_every_pixel_a_name():
    result = TOY.segment(flag("red", "green"), ["red", "blue"], mode="assign")
    assert (result.labels > 0).all()


def test_one_name_alone_is_found_or_not_found():
    image = flag("red", "green")
    assert TOY.segment(image, ["red"]).areas["red"] == pytest.approx(0.5, abs=0.1)
    assert TOY.segment(image, ["purple"]).areas["purple"] == 0


def test_one_name_alone_in_assign_mode_names_the_other_modes():
    with pytest.raises(VocabularyError, match="'background' or 'independent'"):
        TOY.segment(flag("red"), ["red"], mode="assign")


def test_independent_masks_do_not_compete():
    result = TOY.segment(flag("red", "green"), ["red", "red ball", "green"], mode="independent")
    masks = result.masks
    np.testing.assert_array_equal(masks[0], masks[1])
    assert masks[0].mean() == pytest.approx(0.5, abs=0.1)


def test_threshold_decides_the_masks_of_independent_mode():
    soft = replace(TOY, temperature=8.0)  # flat enough for probabilities between 0 and 1
    image = flag("red", "orange")
    shares = [
        replace(soft, threshold=t).segment(image, ["red"], mode="independent").areas for t in (0.1, 0.9)
    ]
    assert shares[0]["red"] > shares[1]["red"]
    assert soft.segment(image, ["red"], mode="independent").threshold == 0.5


def test_refinement_refuses_independent_masks_before_it_encodes():
    class Never:
        def refine(self, images, coarse):
            raise AssertionError

    with pytest.raises(InputError, match="one label per pixel"):
        replace(TOY, refine=Never(), encoder=None).segment(flag("red"), ["red"], mode="independent")


def test_no_images_at_once_is_refused():
    with pytest.raises(InputError, match="at_once is 0"):
        list(TOY.segment_many([flag("red")], ["red", "blue"], at_once=0))


def test_the_memory_budget_bounds_the_upsampled_probabilities(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "radseg.segment.decide", lambda *a, **k: seen.append(k["stream_bytes"]) or decide(*a, **k)
    )
    for budget in (2**27, 2**30):
        replace(TOY, memory_budget=budget).segment(flag("red"), ["red", "blue"])
    assert seen == [2**25, 2**28]


def test_eight_bits_and_float32_give_the_same():
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    small = replace(TOY, short_side=40)
    first, other = (small.segment(one, ["red", "blue"]) for one in (image, to_rgb(image)))
    for part in ("labels", "confidence", "image"):
        np.testing.assert_array_equal(getattr(first, part), getattr(other, part))


def test_a_result_does_not_change_with_the_array_it_came_from():
    image = flag("red")
    result = TOY.segment(image, ["red", "blue"])
    image[:] = 0
    np.testing.assert_array_equal(result.image, flag("red"))


def test_images_that_are_alive_at_once_are_counted():
    images = [np.zeros((700, 700, 3), np.uint8)] * 8
    small = replace(TOY, memory_budget=80 * 2**20)
    assert len(list(small.segment_many(images, ["red", "blue"]))) == 8
    with pytest.raises(MemoryBudgetError, match="An image of 700×700"):
        list(small.segment_many(images, ["red", "blue"], at_once=8))


def test_the_number_that_a_refusal_names_suffices():
    image = np.zeros((1500, 1500, 3), np.uint8)
    with pytest.raises(MemoryBudgetError, match=r"1500×1500 pixels, with 2 names, needs \d+MiB") as refused:
        replace(TOY, memory_budget=2**26).segment(image, ["red", "blue"])
    needed = int(re.search(r"needs (\d+)MiB", str(refused.value))[1])
    assert replace(TOY, memory_budget=needed * 2**20).segment(image, ["red", "blue"]).labels.shape == (
        1500,
        1500,
    )
    with pytest.raises(MemoryBudgetError):
        replace(TOY, memory_budget=(needed - 1) * 2**20).segment(image, ["red", "blue"])


def test_presence_tells_what_is_there():
    result = TOY.segment(flag("red", "green"), ["red", "purple"], mode="independent")
    assert result.presence[0] > 0.9
    assert result.presence[1] < 0.1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_prompt_order_does_not_change_what_is_found(order):
    names = ["red", "green", "blue", "white"]
    image = flag("red", "green", "blue", "white", "black")
    plain = TOY.segment(image, names)
    shuffled = TOY.segment(image, [names[i] for i in order])
    renamed = np.array([0, *(i + 1 for i in order)])[shuffled.labels]
    np.testing.assert_array_equal(renamed, plain.labels)


def test_prompt_order_does_not_change_a_real_network_either():
    method = RADSeg(tiny_radio(), crop=96, stride=64)
    segmenter = Segmenter(method, ColourTextEncoder(), short_side=None, denoising=0.0)
    text = random_words(9, method.space)
    order = torch.randperm(9)
    shuffled = TextEmbeddings(
        tuple(text.names[i] for i in order), text.values[order], text.row_class, text.space
    )
    image = torch.rand(3, 150, 130)
    one = segmenter.segment(image, text, mode="assign")
    other = segmenter.segment(image, shuffled, mode="assign")
    same = np.array([0, *(int(i) + 1 for i in order)])[other.labels] == one.labels
    assert same.mean() > 0.9999  # ties within float rounding only
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-5)


def random_words(count, space, width=20):
    values = torch.randn(count, width)
    return TextEmbeddings(tuple(f"n{i}" for i in range(count)), values, tuple(range(count)), space)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_many_images_give_the_answers_of_one_at_a_time(at_once):
    method = RADSeg(tiny_radio(), crop=96, stride=64)
    segmenter = Segmenter(method, ColourTextEncoder(), short_side=None, denoising=0.0)
    text = random_words(6, method.space)
    images = [torch.rand(3, *size) for size in ((100, 130), (60, 200), (100, 130), (17, 20), (300, 96))]
    many = list(segmenter.segment_many(images, text, mode="assign", at_once=at_once))
    for image, result in zip(images, many, strict=True):
        alone = segmenter.segment(image, text, mode="assign")
        assert (alone.labels == result.labels).mean() > 0.9999  # ties within float rounding only
        np.testing.assert_allclose(alone.confidence, result.confidence, atol=1e-4)


def test_images_are_read_only_as_the_iterator_is_drawn():
    def endless():
        while True:
            yield flag("red", "green")

    results = TOY.segment_many(endless(), ["red", "green"], at_once=3)
    assert middle(next(results), 0) == 1


def test_result_has_the_size_of_the_image_whatever_the_working_size():
    small = replace(TOY, short_side=24)
    assert small.segment(flag("red", "green", side=50), ["red", "green"]).labels.shape == (50, 100)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (2000, 3)])
def test_tiny_and_thin_images_are_segmented(size):
    image = np.broadcast_to(np.uint8(COLOURS["red"]), (*size, 3)).copy()
    assert (TOY.segment(image, ["red", "blue"]).labels == 1).all()


def test_everything_denoised_is_none_or_the_first_as_asked():
    grey = flag("grey", side=16)
    nothing = replace(TOY, temperature=1.0)  # so flat that no name reaches 0.5
    names = ["red", "green", "blue"]
    assert (nothing.segment(grey, names, mode="assign").labels == 0).all()
    assert (replace(nothing, all_denoised="first").segment(grey, names, mode="assign").labels == 1).all()


def test_synonyms_are_one_name():
    result = TOY.segment(flag("red", "blue"), Vocabulary.parse([["warm", "red", "orange"][1:], "blue"]))
    assert result.names == ("red", "blue")
    assert middle(result, 0) == 1


def test_a_pack_needs_no_text_tower():
    words = ColourTextEncoder()
    vocabulary = Vocabulary.parse("red, green")
    pack = VocabularyPack(*words.embed_with_contrast(vocabulary), "none", "")
    silent = replace(TOY, text_encoder=None)
    for mode in MODES:
        assert middle(silent.segment(flag("red", "green"), pack, mode=mode), 1) == 2


def test_embeddings_without_a_bank_say_how_to_get_one():
    text = ColourTextEncoder().embed(Vocabulary.parse("red, green"))
    with pytest.raises(VocabularyError, match="radseg text"):
        TOY.segment(flag("red"), text, mode="background")


def test_text_of_another_model_is_refused():
    with pytest.raises(SpaceMismatchError):
        TOY.segment(flag("red"), random_words(3, "clip"), mode="assign")


def test_unknown_mode_lists_the_modes():
    with pytest.raises(InputError, match="assign, background, independent"):
        TOY.segment(flag("red"), ["red", "green"], mode="panoptic")


def test_result_records_how_it_was_made():
    meta = radseg.load("toy", denoising=0.3).segment(flag("red"), ["red", "blue"]).meta
    assert meta["preset"] == "toy"
    assert meta["parameters"]["denoising"] == 0.3
    assert set(meta["seconds"]) == {"encode", "score", "decide"}


def test_more_than_254_names_give_wide_labels():
    segmenter = Segmenter(
        RADSeg(tiny_radio(), crop=None), ColourTextEncoder(), short_side=None, denoising=0.0
    )
    result = segmenter.segment(
        torch.rand(3, 64, 64), random_words(2000, segmenter.encoder.space), mode="assign"
    )
    assert result.labels.dtype == np.uint16


def test_equal_runs_give_equal_files():
    first, second = (TOY.segment(flag("red", "green"), ["red", "green"]) for _ in range(2))
    assert first.meta["seconds"] != second.meta["seconds"]
    assert first.to_npz() == second.to_npz()
    assert first.classes() == second.classes()


def test_a_result_knows_the_file_it_came_from(tmp_path):
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "flag.png"
    Image.fromarray(flag("red", "green")).save(path)
    pytest.importorskip("pycocotools")
    for given in (path, str(path)):
        found = TOY.segment(given, ["red", "green"])
        assert (found.source, found.to_coco()["images"][0]["file_name"]) == (str(path), "flag.png")
    assert TOY.segment(flag("red"), ["red"]).to_coco(file_name="x.png")["images"][0]["file_name"] == "x.png"
    assert TOY.segment(flag("red"), ["red"]).source == ""


@pytest.mark.parametrize("mode", MODES)
def test_an_encoded_image_gives_what_the_image_gives(mode, tmp_path):
    image, path = draw_scene(120, 160), tmp_path / "scene.png"
    Image.fromarray(image).save(path)
    encoded = TOY.encode(path)
    for prompts in (["blue sky", "green grass"], ["red house", "yellow sun", "white cloud"]):
        direct, again = TOY.segment(path, prompts, mode=mode), TOY.segment(encoded, prompts, mode=mode)
        assert np.array_equal(direct.labels, again.labels)
        assert torch.equal(direct.scores, again.scores)
        assert np.array_equal(direct.confidence, again.confidence)
        assert np.array_equal(direct.image, again.image)
        assert direct.source == again.source == str(path)


def test_an_encoded_image_is_refined_like_the_image():
    segmenter = replace(TOY, refine=Despeckle(min_area=400)).with_objects()
    image, names = draw_scene(120, 160), ["blue sky", "white cloud"]
    direct = segmenter.segment(image, names, mode="assign")
    again = segmenter.segment(segmenter.encode(image), names, mode="assign")
    assert np.array_equal(direct.labels, again.labels)
    assert again.meta["refined_regions"] == direct.meta["refined_regions"] > 0
    assert len(again.objects()) == len(direct.objects()) > 0


def test_new_prompts_do_not_encode_again(monkeypatch):
    encoded = TOY.encode(flag("red", "green"))
    monkeypatch.setattr(ColourEncoder, "encode", lambda *_: pytest.fail("encoded again"))
    assert TOY.segment(encoded, ["green", "red"]).areas["green"] > 0.4


def test_an_encoded_image_keeps_to_the_memory_budget():
    encoded = TOY.encode(np.zeros((400, 400, 3), np.uint8))
    with pytest.raises(MemoryBudgetError):
        replace(TOY, memory_budget=2**20).segment(encoded, ["red"])


def test_features_are_one_vector_per_patch():
    features = TOY.features(flag("red", "blue", "red"))
    assert features.shape == (126, 4, 12)
    assert features.dtype == np.float32
    assert np.array_equal(features[:, 0, 0], features[:, 3, 11])
    assert not np.array_equal(features[:, 0, 0], features[:, 0, 5])
