"""The identity of a tower follows its files' content."""

import os
from pathlib import Path

import pytest

from radseg.errors import MissingFileError
from radseg.models.tower_identity import tower_identity

FILES = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(name)
    return tmp_path


def test_equal_content_elsewhere_has_the_same_identity(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in FILES:
        (other / name).write_text(name)
        os.utime(other / name, (1e9, 1e9))
    assert tower_identity(folder) == tower_identity(other)


@pytest.mark.parametrize("name", FILES)
def test_any_changed_file_changes_it_even_after_it_was_remembered(folder: Path, name: str) -> None:
    before = tower_identity(folder)
    assert tower_identity(folder) == before
    (folder / name).write_text(name.upper())
    os.utime(folder / name, (2e9, 2e9))
    assert tower_identity(folder) != before


def test_the_hash_is_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tower_identity(folder)
    monkeypatch.setattr("hashlib.file_digest", lambda *a: pytest.fail("hashed again"))
    assert tower_identity(folder) == before


def test_a_damaged_memory_is_computed_again(folder: Path) -> None:
    before = tower_identity(folder)
    (folder / "identity.json").write_text("[]")
    assert tower_identity(folder) == before


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingFileError, match=r"tokenizer\.json"):
        tower_identity(folder)
