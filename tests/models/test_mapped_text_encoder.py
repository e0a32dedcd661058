"""Talk2DINO's text side: raw vectors, mean over templates, trained map, unit length."""

import math

import pytest
import torch
from safetensors.torch import save_file

from radseg.errors import CheckpointError, MissingFileError, UnsafeCheckpointError
from radseg.models.mapped_text_encoder import MappedTextEncoder, TextMap, load_text_map
from radseg.text.templates import TemplateSet
from radseg.text.vocabulary import Vocabulary

TEMPLATES = TemplateSet("two", ("a {}.", "the big {}."))


class Tower:
    """Vectors of very different lengths: 1 for short prompts, more for long ones."""

    space = "clip-test"

    def embed_raw(self, prompts):
        return torch.stack([torch.linspace(-1, 1, 6) ** (1 + len(p) % 3) * len(p) for p in prompts])


def published(path, *, width_in=6, hidden=5, width_out=4):
    state = {
        "linear_layer.weight": torch.randn(hidden, width_in),
        "linear_layer.bias": torch.randn(hidden),
        "linear_layer2.weight": torch.randn(width_out, hidden),
        "linear_layer2.bias": torch.randn(width_out),
    }
    torch.save(state, path)
    return state


def by_hand(row, state):
    first, b, second, c = (state[k].double() for k in state)
    hidden = [math.tanh(float(w @ row.double() + z)) for w, z in zip(first, b, strict=True)]
    out = torch.tensor(
        [sum(x * h for x, h in zip(w, hidden, strict=True)) + z for w, z in zip(second, c, strict=True)]
    )
    return (out / out.norm()).float()


def test_text_is_mapped_after_the_mean_of_raw_vectors(tmp_path):
    state = published(tmp_path / "map.pth")
    words = MappedTextEncoder("there", TEMPLATES, load_text_map(tmp_path / "map.pth"), Tower)
    text = words.embed(Vocabulary.parse("cat, zebra crossing"))
    assert text.space == "there"
    for name, row in zip(text.names, text.values, strict=True):
        raw = Tower().embed_raw([f"a {name}.", f"the big {name}."])
        torch.testing.assert_close(row, by_hand(raw.mean(0), state))


def test_the_contrast_bank_goes_the_same_way(tmp_path):
    published(tmp_path / "map.pth")
    words = MappedTextEncoder("there", TEMPLATES, load_text_map(tmp_path / "map.pth"), Tower)
    names, bank = words.embed_with_contrast(Vocabulary.parse("cat"))
    assert names.space == bank.space == "there"
    torch.testing.assert_close(names.values, words.embed(Vocabulary.parse("cat")).values)
    torch.testing.assert_close(bank.values.norm(dim=1), torch.ones(len(bank.values)))


def test_the_tower_is_loaded_once_and_not_before_the_first_prompt(tmp_path):
    published(tmp_path / "map.pth")
    loaded = []

    def load():
        loaded.append(1)
        return Tower()

    words = MappedTextEncoder("there", TEMPLATES, load_text_map(tmp_path / "map.pth"), load)
    assert not loaded
    words.embed(Vocabulary.parse("cat"))
    words.embed(Vocabulary.parse("dog"))
    assert loaded == [1]


def test_a_safetensors_map_is_the_same(tmp_path):
    state = published(tmp_path / "map.pth")
    names = {"first.weight": 0, "first.bias": 1, "second.weight": 2, "second.bias": 3}
    values = list(state.values())
    save_file({k: values[i] for k, i in names.items()}, tmp_path / "map.safetensors")
    rows = torch.randn(3, 6)
    assert torch.equal(
        load_text_map(tmp_path / "map.pth")(rows), load_text_map(tmp_path / "map.safetensors")(rows)
    )


def test_what_is_no_map_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="vitb_mlp_infonce.pth of its authors"):
        load_text_map(tmp_path / "none.pth")
    torch.save({"a.weight": torch.zeros(2, 3)}, tmp_path / "one.pth")
    with pytest.raises(CheckpointError, match="a map is two linear layers"):
        load_text_map(tmp_path / "one.pth")
    state = published(tmp_path / "wrong.pth")
    torch.save(state | {"linear_layer2.weight": torch.randn(4, 9)}, tmp_path / "wrong.pth")
    with pytest.raises(CheckpointError, match="5 channels after the first layer, 9 before the second"):
        load_text_map(tmp_path / "wrong.pth")
    torch.save({"a": TextMap}, tmp_path / "code.pth")
    with pytest.raises(UnsafeCheckpointError):
        load_text_map(tmp_path / "code.pth")
