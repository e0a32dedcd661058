"""A tower as the word source of a segmenter."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from radseg.text.cache import TextCache
from radseg.text.contrast import CONTRAST_PHRASES
from radseg.text.encoder import TowerTextEncoder
from radseg.text.pack import load_pack, save_pack
from radseg.text.templates import NONE
from radseg.text.vocabulary import Vocabulary


class LengthTower:
    """One-hot by the length of the prompt."""

    space = "siglip2-so400m-patch16-naflex"

    def embed(self, prompts: Sequence[str]) -> Tensor:
        return F.one_hot(torch.tensor([len(p) for p in prompts]), 40).float()


def test_names_and_contrast_share_space_and_templates() -> None:
    words = TowerTextEncoder(LengthTower(), NONE)
    asked = Vocabulary.parse("sky, background")
    names, contrast = words.embed_with_contrast(asked)
    assert words.space == words.embed(asked).space == names.space == contrast.space
    assert words.embed(asked).values.argmax(dim=1).tolist() == [3, 10]
    assert torch.equal(names.values, words.embed(asked).values)
    assert contrast.names == tuple(p for p in CONTRAST_PHRASES if p != "background")
    assert contrast.values.argmax(dim=1).tolist() == [len(p) for p in contrast.names]


def test_three_new_words_cost_240_prompts_and_the_bank_56_once(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(LengthTower):
        def embed(self, prompts: Sequence[str]) -> Tensor:
            asked.append(len(prompts))
            return F.one_hot(torch.tensor([len(p) for p in prompts]), 80).float()

    words = TowerTextEncoder(Counting(), cache=TextCache(tmp_path, "the tower"))
    for names, cost in (("sky, grass, sheep", 240 + 56), ("road, car, person", 240), ("sky, road", 0)):
        asked.clear()
        words.embed_with_contrast(Vocabulary.parse(names))
        assert sum(asked) == cost
    asked.clear()
    other = TowerTextEncoder(Counting(), cache=TextCache(tmp_path, "another tower"))
    assert other.embed_bank().names == CONTRAST_PHRASES
    other.embed_with_contrast(Vocabulary.parse("object, car"))
    assert sum(asked) == 56 + 160


def test_a_pack_says_how_it_was_made_and_needs_no_tower_later(tmp_path: Path) -> None:
    words = TowerTextEncoder(LengthTower(), NONE, TextCache(tmp_path / "text", "the tower"))
    save_pack(tmp_path / "p", words.pack(Vocabulary.parse("sky, grass")))
    pack = load_pack(tmp_path / "p")
    assert (pack.embeddings.names, pack.templates, pack.tower) == (("sky", "grass"), "none", "the tower")
    assert pack.contrast
    assert pack.contrast.names == CONTRAST_PHRASES
