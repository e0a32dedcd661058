"""The contrast bank gives way to what is asked for."""

import pytest

from radseg.errors import VocabularyError
from radseg.text.contrast import CONTRAST_PHRASES, contrast_templates, contrast_vocabulary
from radseg.text.templates import IMAGENET_7, IMAGENET_80, NONE
from radseg.text.vocabulary import Vocabulary

SIGLIP2 = "siglip2-so400m-patch16-naflex"


def test_the_bank_is_whole_for_ordinary_names() -> None:
    assert contrast_vocabulary(Vocabulary.parse("sky, grass"), SIGLIP2).names == CONTRAST_PHRASES


def test_a_phrase_that_is_asked_for_is_removed_in_any_spelling_the_tower_reads_the_same() -> None:
    asked = Vocabulary.parse(["sky", ("ground", "Back-ground!")])
    assert "background" not in contrast_vocabulary(asked, SIGLIP2).names
    assert "background" in contrast_vocabulary(asked, "colours").names


def test_the_bank_has_the_sentences_of_the_names_but_at_most_seven_of_theirs() -> None:
    assert contrast_templates(IMAGENET_80) == contrast_templates(IMAGENET_7) == IMAGENET_7
    assert set(IMAGENET_7.templates) < set(IMAGENET_80.templates)
    assert contrast_templates(NONE) == NONE


def test_asking_for_the_whole_bank_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(VocabularyError, match="assign"):
        contrast_vocabulary(Vocabulary.parse(CONTRAST_PHRASES), SIGLIP2)
