"""The published template sets and filling them in."""

import hashlib
import json
from pathlib import Path

import pytest

from radseg.errors import InputError
from radseg.text.clean import canonicalise
from radseg.text.templates import IMAGENET_7, IMAGENET_80, NONE, TEMPLATE_SETS, TemplateSet, template_set

# Provenance: golden/2d/text.json, from the reference's list: the templates filled with "X", one per line.
PUBLISHED = "594f98a56e7af82b48805f2801515b385496071266ec194bc78fb0fdf2ee3377"


def lines_sha256(lines: tuple[str, ...] | list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_eighty_are_the_published_ones_in_their_order() -> None:
    assert len(IMAGENET_80.templates) == 80
    assert lines_sha256(IMAGENET_80.fill("X")) == PUBLISHED


def test_the_pinned_hash_is_the_goldens(shared: Path) -> None:
    golden = json.loads((shared / "golden/2d/text.json").read_text())
    assert golden["templates_sha256"] == PUBLISHED


def test_canonical_prompts_of_every_golden_label(shared: Path) -> None:
    golden = json.loads((shared / "golden/2d/text.json").read_text())["label_canonical_prompts_sha256"]
    found = {label: lines_sha256([canonicalise(p) for p in IMAGENET_80.fill(label)]) for label in golden}
    assert found == golden


def test_the_seven_are_some_of_the_eighty() -> None:
    assert len(IMAGENET_7.templates) == 7
    assert set(IMAGENET_7.templates) < set(IMAGENET_80.templates)


def test_a_phrase_with_braces_is_inserted_verbatim() -> None:
    assert TemplateSet("t", ("a {} {here}",)).fill("{} {x}") == ("a {} {x} {here}",)


def test_none_takes_the_phrase_as_the_prompt() -> None:
    assert NONE.fill("a red door.") == ("a red door.",)


def test_sets_are_found_by_name_and_an_unknown_name_lists_them() -> None:
    assert template_set("imagenet80") is IMAGENET_80
    with pytest.raises(InputError, match=r"'imagenet90'.*imagenet80, imagenet7, simple, none"):
        template_set("imagenet90")


@pytest.mark.parametrize("templates", [(), ("no slot",), ("{} and {}",)])
def test_a_set_without_one_slot_per_template_is_refused(templates: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        TemplateSet("broken", templates)


def test_the_hash_of_a_set_tells_order_and_content_but_not_its_name() -> None:
    assert len({s.sha256 for s in TEMPLATE_SETS}) == len(TEMPLATE_SETS)
    assert TemplateSet("a", ("x {}", "y {}")).sha256 != TemplateSet("a", ("y {}", "x {}")).sha256
    assert TemplateSet("a", ("x {}",)).sha256 == TemplateSet("b", ("x {}",)).sha256
