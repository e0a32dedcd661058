"""Cleaning of prompts per embedding space."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import VocabularyError
from radseg.text.clean import canonicalise, clean_phrases, cleaning_of, collapse_whitespace, lower_case
from radseg.text.templates import IMAGENET_80

SIGLIP2 = "siglip2-so400m-patch16-naflex"


def test_every_golden_label_and_prompt(shared: Path) -> None:
    for label, alone, first, other in json.loads((shared / "golden/2d/text.json").read_text())["canonical"]:
        prompts = IMAGENET_80.fill(label)
        assert [canonicalise(t) for t in (label, prompts[0], prompts[20])] == [alone, first, other]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("close-up", "closeup"),
        ("T_shirt  (red)!", "t shirt red"),
        ("CAFÉ – no. 5", "café – no 5"),
        ("!?", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert canonicalise(text) == expected


@given(st.text())
def test_canonical_text_has_no_ascii_punctuation_and_single_spaces(text: str) -> None:
    clean = canonicalise(text)
    assert not set(clean) & set(string.punctuation)
    assert clean == " ".join(clean.split())


@given(
    st.text(), st.sampled_from([SIGLIP2, "siglip-so400m-patch14-384", "clip-vit-h-14-378-dfn5b", "colours"])
)
def test_cleaning_twice_is_cleaning_once(text: str, space: str) -> None:
    clean = cleaning_of(space)
    assert clean(clean(text)) == clean(text)


def test_each_family_has_its_cleaning() -> None:
    assert cleaning_of(SIGLIP2) is canonicalise
    assert cleaning_of("siglip-so400m-patch14-384") is canonicalise
    assert cleaning_of("clip-vit-h-14-378-dfn5b") is lower_case
    assert cleaning_of("colours") is collapse_whitespace


def test_a_name_of_punctuation_is_nothing_for_siglip_and_something_for_clip() -> None:
    assert clean_phrases(("!!!",), "clip-vit-h-14-378-dfn5b") == ("!!!",)
    with pytest.raises(VocabularyError, match=r"Nothing is left of the name '!!!'"):
        clean_phrases(("sky", "!!!"), SIGLIP2)


def test_names_that_become_the_same_text_are_refused_naming_both() -> None:
    with pytest.raises(VocabularyError, match=r"'wall-brick' and 'wall_brick'|'wallbrick' and 'wall-brick'"):
        clean_phrases(("wallbrick", "wall-brick"), SIGLIP2)
    assert clean_phrases(("wallbrick", "wall-brick"), "colours") == ("wallbrick", "wall-brick")
