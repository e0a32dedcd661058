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
    assert words.space == words.embed(asked).space == words.contrast(asked).space
    assert words.embed(asked).values.argmax(dim=1).tolist() == [3, 10]
    assert words.contrast(asked).names == tuple(p for p in CONTRAST_PHRASES if p != "background")


def test_a_pack_says_how_it_was_made_and_needs_no_tower_later(tmp_path: Path) -> None:
    words = TowerTextEncoder(LengthTower(), NONE, TextCache(tmp_path / "text", "the tower"))
    save_pack(tmp_path / "p", words.pack(Vocabulary.parse("sky, grass")))
    pack = load_pack(tmp_path / "p")
    assert (pack.embeddings.names, pack.templates, pack.tower) == (("sky", "grass"), "none", "the tower")
    assert pack.contrast
    assert pack.contrast.names == CONTRAST_PHRASES
