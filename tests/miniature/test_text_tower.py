"""The miniature's words: what is understood, what is not, and that meaning adds up."""

import pytest
import torch
from training.miniature.recipe import SYNONYMS

from radseg.errors import CheckpointError
from radseg.miniature.text_tower import MiniatureTextTower, MiniatureTokenizer


@pytest.fixture
def tower():
    tower = MiniatureTextTower(MiniatureTokenizer(("ball", "box", "red"), SYNONYMS), width=8)
    torch.nn.init.normal_(tower.vectors, generator=torch.Generator().manual_seed(0))
    return tower


@pytest.mark.parametrize(
    "prompt", ["red ball", "Red Balls", "a photo of the red ball.", "ball, red", "red sphere"]
)
def test_the_same_meaning_gives_the_same_row(tower, prompt):
    assert torch.equal(tower.embed(["red ball"]), tower.embed([prompt]))


def test_rows_have_length_one_and_depend_on_their_own_prompt_only(tower):
    together = tower.embed(["red ball", "boxes", "giraffe"])
    assert torch.allclose(together.norm(dim=1), torch.ones(3))
    assert torch.equal(together[1:2], tower.embed(["box"]))


def test_prompts_without_a_known_word_share_the_unknown_row(tower):
    rows = tower.embed(["giraffe", "the something else", "?"])
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])
    assert not torch.allclose(rows[0], tower.embed(["ball"])[0])


def test_tokenizer_survives_its_file(tower, tmp_path):
    tower.tokenizer.save(tmp_path / "words.json")
    assert MiniatureTokenizer.load(tmp_path / "words.json") == tower.tokenizer


def test_a_file_that_is_no_word_list_is_refused(tmp_path):
    (tmp_path / "words.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"words\.json is not a word list"):
        MiniatureTokenizer.load(tmp_path / "words.json")
