"""Vocabulary packs: what goes in comes out; everything else is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from radseg.errors import (
    InputError,
    MissingFileError,
    SpaceMismatchError,
    VocabularyError,
)
from radseg.text.pack import VocabularyPack, load_pack, pack_vectors, save_pack
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings


def embeddings(space: str = "s", names: tuple[str, ...] = ("sky", "café")) -> TextEmbeddings:
    return TextEmbeddings(names, torch.arange(1.0, 13).reshape(3, 4), (0, 1, 1), space)


def test_a_pack_comes_back_as_it_was(tmp_path: Path) -> None:
    contrast = TextEmbeddings(("object",), torch.ones(1, 4), (0,), "s")
    save_pack(tmp_path / "p.safetensors", VocabularyPack(embeddings(), contrast, "imagenet80", "abc"))
    pack = load_pack(tmp_path / "p.safetensors")
    assert (pack.templates, pack.tower) == ("imagenet80", "abc")
    assert (pack.embeddings.names, pack.embeddings.row_class, pack.embeddings.space) == (
        ("sky", "café"),
        (0, 1, 1),
        "s",
    )
    assert torch.equal(pack.embeddings.values, embeddings().values)
    assert pack.contrast
    assert torch.equal(pack.contrast.values, contrast.values)


def test_given_vectors_make_a_pack_without_contrast(tmp_path: Path) -> None:
    vocabulary = Vocabulary.parse(["sky", ("car", "automobile")])
    save_pack(tmp_path / "p.safetensors", pack_vectors(vocabulary, torch.eye(3), "s"))
    pack = load_pack(tmp_path / "p.safetensors")
    assert (pack.embeddings.names, pack.embeddings.row_class, pack.contrast) == (
        ("sky", "car"),
        (0, 1, 1),
        None,
    )
    assert pack.templates == "given"


def test_a_contrast_bank_of_another_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceMismatchError):
        save_pack(tmp_path / "p", VocabularyPack(embeddings(), embeddings("other")))
    assert list(tmp_path.iterdir()) == []


def test_vectors_without_direction_are_refused(tmp_path: Path) -> None:
    bad = TextEmbeddings(("sky",), torch.tensor([[float("nan"), 1.0]]), (0,), "s")
    with pytest.raises(InputError, match="not finite"):
        save_pack(tmp_path / "p", VocabularyPack(bad))


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"The folder .*file is a file\. Name another"):
        save_pack(tmp_path / "file" / "p.safetensors", VocabularyPack(embeddings()))


def test_a_missing_file_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="radseg text"):
        load_pack(tmp_path / "p.safetensors")


def test_another_safetensors_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "p", {"format": "radseg-radio/1"})
    with pytest.raises(VocabularyError, match=r"'radseg-radio/1'.*'radseg-vocabulary/1'"):
        load_pack(tmp_path / "p")


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    save_pack(tmp_path / "p", VocabularyPack(embeddings()))
    (tmp_path / "p").write_bytes((tmp_path / "p").read_bytes()[:cut])
    with pytest.raises(VocabularyError, match="no complete safetensors file"):
        load_pack(tmp_path / "p")


def test_a_flipped_bit_in_a_vector_is_noticed(tmp_path: Path) -> None:
    save_pack(tmp_path / "p", VocabularyPack(embeddings()))
    content = bytearray((tmp_path / "p").read_bytes())
    content[-20] ^= 1
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(VocabularyError, match="checksum"):
        load_pack(tmp_path / "p")


def rewrite(path: Path, change) -> None:
    """Write a pack that is wrong inside but carries the right checksum: made by other hands, not damaged."""
    from radseg.text import pack  # noqa: PLC0415 - its private hash, on purpose

    save_pack(path, VocabularyPack(embeddings()))
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    metadata.pop("sha256")
    change(tensors, metadata)
    metadata["sha256"] = pack._content_hash(tensors, metadata)
    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, m: t.pop("vocabulary.values"),
        lambda t, m: t.pop("vocabulary.row_class"),
        lambda t, m: m.pop("space"),
        lambda t, m: m.pop("tower"),
        lambda t, m: m.update(names="{"),
        lambda t, m: m.update(names="[]"),
        lambda t, m: m.update(names=json.dumps({"vocabulary": "sky"})),
        lambda t, m: m.update(names=json.dumps({"vocabulary": [["sky"], "car"]})),
        lambda t, m: m.update(names=json.dumps({"vocabulary": ["sky", "sky"]})),
        lambda t, m: m.update(names=json.dumps({"vocabulary": ["sky", "a\0b"]})),
        lambda t, m: m.update(names=json.dumps({"vocabulary": ["sky", "car", "sea"]})),
        lambda t, m: m.update(names='{"vocabulary": ' + "[" * 99_999 + "]" * 99_999 + "}"),
        lambda t, m: t.update({"vocabulary.row_class": torch.tensor([0.0, 1.0, float("inf")])}),
        lambda t, m: t.update({"vocabulary.values": torch.ones(3, 4).to(torch.float8_e4m3fn)}),
        lambda t, m: (
            m.update(names=json.dumps({"vocabulary": ["sky", "car"], "contrast": ["object"]})),
            t.update({"contrast.values": torch.ones(1, 3), "contrast.row_class": torch.tensor([0])}),
        ),
        lambda t, m: t.update({"vocabulary.row_class": torch.tensor([0, 1])}),
        lambda t, m: t.update({"vocabulary.row_class": torch.tensor([0, 1, 9])}),
        lambda t, m: t.update({"vocabulary.row_class": torch.tensor([1, 0, 1])}),
        lambda t, m: t.update({"vocabulary.values": torch.zeros(3, 4)}),
        lambda t, m: t.update({"vocabulary.values": torch.full((3, 4), float("inf"))}),
        lambda t, m: t.update({"vocabulary.values": torch.ones(3, 4, dtype=torch.int64)}),
        lambda t, m: t.update({"vocabulary.values": torch.ones(12)}),
    ],
)
def test_a_pack_that_is_wrong_inside_is_refused_by_file_name(tmp_path: Path, change) -> None:
    rewrite(tmp_path / "p.safetensors", change)
    with pytest.raises(VocabularyError, match=r"p\.safetensors is a damaged or foreign vocabulary pack"):
        load_pack(tmp_path / "p.safetensors")


def test_the_same_rewriting_without_a_change_loads(tmp_path: Path) -> None:
    rewrite(tmp_path / "p", lambda tensors, metadata: None)
    assert load_pack(tmp_path / "p").embeddings.names == ("sky", "café")


def test_a_pack_has_the_ordinary_mode_so_that_it_can_be_handed_on(tmp_path: Path) -> None:
    save_pack(tmp_path / "p.safetensors", VocabularyPack(embeddings()))
    (tmp_path / "ordinary").write_text("x")
    assert (tmp_path / "p.safetensors").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
