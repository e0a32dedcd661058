"""The contrast bank, embedded ahead of the first image."""

from pathlib import Path

import pytest

from radseg.models import text_towers
from radseg.models.text_towers import TOWERS
from radseg.presets.load import load_text_encoder
from radseg.presets.spec import model_spec
from radseg.runs.packs import embed_bank
from radseg.text.vocabulary import Vocabulary
from radseg.weights.home import model_folder
from radseg.weights.reporters import LOGGED
from text_tower_builders import write_tower

SPACE = "siglip2-so400m-patch16-naflex"


def test_the_first_image_finds_the_bank_that_was_embedded_ahead(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path))
    model_folder(SPACE).mkdir(parents=True)
    facts, _ = write_tower(model_folder(SPACE), "siglip2")
    known = type(facts)(SPACE, facts.rules, facts.depth, facts.width_out, facts.vocabulary)
    monkeypatch.setattr(text_towers, "TOWERS", (known, *TOWERS))
    spec = model_spec("radseg-b")
    assert embed_bank(spec, LOGGED) == 8
    counts: list[int] = []
    monkeypatch.setattr(
        text_towers.EncoderTower, "embed", _counting(text_towers.EncoderTower.embed, counts.append)
    )
    load_text_encoder(spec).embed_with_contrast(Vocabulary.parse("sky"))
    assert sum(counts) == 80


def test_a_model_that_keeps_no_rows_has_nothing_to_embed_ahead() -> None:
    assert embed_bank(model_spec("miniature"), LOGGED) is None


def _counting(embed, count):
    def counted(tower, prompts):
        count(len(prompts))
        return embed(tower, prompts)

    return counted


@pytest.fixture(autouse=True)
def _offline(monkeypatch) -> None:
    monkeypatch.setattr("radseg.weights.hub.is_offline", lambda: True)
