"""Text-dependent methods in the Segmenter: they see all words at once; uses without words refuse them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from radseg.errors import InputError, SpaceMismatchError
from radseg.methods.base import DenseEncoder, Scorer, require_features
from radseg.modes import MODES
from radseg.scoring import Cosines, all_cosines, class_cosine
from radseg.segment import Segmenter
from radseg.testing import SPACE, ColourEncoder, ColourTextEncoder, draw_scene
from radseg.text.vocabulary import Vocabulary
from radseg.types import Size, TextEmbeddings


@dataclass(frozen=True)
class ScoringColours:
    """The toy encoder as a Scorer; notes what it was asked."""

    space: str = SPACE
    asked: list = field(default_factory=list)

    def score(self, images, text):
        self.asked.append((len(images), text.names))
        rows = TextEmbeddings(
            tuple(map(str, text.row_class)), text.values, tuple(range(len(text.values))), SPACE
        )
        return [class_cosine(features, rows) for features in ColourEncoder().encode(images)]


IMAGES = [draw_scene(96, 128), draw_scene(70, 90)[:, ::-1].copy(), draw_scene(33, 40)]


def segmenter(encoder):
    return Segmenter(encoder, ColourTextEncoder(), short_side=64)


@pytest.mark.parametrize("mode", MODES)
def test_a_scorer_gives_what_its_cosines_say(mode):
    plain, scoring = segmenter(ColourEncoder()), segmenter(ScoringColours())
    for image in IMAGES:
        one, other = (
            s.segment(image, ["blue", ("green", "brown"), "red"], mode=mode) for s in (plain, scoring)
        )
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(
            one.confidence, other.confidence, atol=1e-5
        )  # seen 1.8e-6: products of other shapes


@pytest.mark.parametrize("mode", MODES)
def test_many_images_give_the_answers_of_one_at_a_time(mode):
    scoring = segmenter(ScoringColours())
    many = list(scoring.segment_many(IMAGES, ["blue", "green"], mode=mode, at_once=2))
    for image, result in zip(IMAGES, many, strict=True):
        np.testing.assert_array_equal(
            scoring.segment(image, ["blue", "green"], mode=mode).labels, result.labels
        )


def test_a_scorer_sees_names_and_contrast_bank_together():
    scoring = segmenter(ScoringColours())
    scoring.segment(IMAGES[0], ["blue", "green"])
    images, names = scoring.encoder.asked[0]
    assert images == 1
    assert names[:2] == ("blue", "green")
    assert len(names) == 3


def test_a_scorer_has_no_features_without_prompts():
    with pytest.raises(
        InputError, match=r"A map of features needs .*ScoringColours reads the prompts .*\n?vocabulary-free"
    ):
        segmenter(ScoringColours()).encode(IMAGES[0])


def test_the_two_kinds_of_method_are_told_apart():
    assert isinstance(ScoringColours(), Scorer)
    assert not isinstance(ColourEncoder(), Scorer)
    encoder: DenseEncoder = ColourEncoder()
    assert require_features(encoder, "A test") is encoder


def test_joined_vocabularies_keep_rows_with_their_names():
    words = ColourTextEncoder()
    others = words.embed(Vocabulary.parse([("green", "cyan"), "white"]))
    joined = words.embed(Vocabulary.parse("red, blue")).followed_by(others)
    assert joined.names == ("red", "blue", "green", "white")
    assert joined.row_class == (0, 1, 2, 2, 3)
    torch.testing.assert_close(joined.values[3], words.embed(Vocabulary.parse("cyan")).values[0])


def test_vocabularies_of_two_spaces_are_not_joined():
    own = ColourTextEncoder().embed(Vocabulary.parse("red"))
    with pytest.raises(SpaceMismatchError):
        own.followed_by(replace(own, space="elsewhere"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("encoder", [ColourEncoder(), ScoringColours()], ids=["features", "scores"])
def test_cosines_can_be_enlarged_before_the_softmax_and_the_best_synonym(encoder, mode):
    small = segmenter(encoder)
    enlarging = replace(small, enlarge="cosines")
    text, contrast = small.embed(["blue", ("green", "brown"), "red"], mode=mode)
    [seen] = small.encode_many([IMAGES[1]], text, contrast)
    size = Size(*IMAGES[1].shape[:2])
    joint = text if contrast is None else text.followed_by(contrast)
    rows = seen if isinstance(seen, torch.Tensor) else all_cosines(seen, joint)
    large = F.interpolate(rows[None], size, mode="bilinear")[0]
    low, _ = Cosines.of_rows(large, text, contrast).probabilities(mode)
    found = enlarging.segment(IMAGES[1], ["blue", ("green", "brown"), "red"], mode=mode)
    assert found.scores.shape[1:] == size
    kept = found.scores.flatten(1).amax(dim=1) > 0
    torch.testing.assert_close(found.scores[kept], low[kept], rtol=0, atol=1e-6)
    coarse = small.segment(IMAGES[1], ["blue", ("green", "brown"), "red"], mode=mode)
    assert (coarse.confidence != found.confidence).any()
