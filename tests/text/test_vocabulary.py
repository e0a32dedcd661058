"""Words as people give them: lines, lists, files, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import MissingFileError, VocabularyError
from radseg.text.vocabulary import MAX_CHARACTERS, Vocabulary

words = st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=12)


def test_a_line_is_split_at_commas_and_tidied() -> None:
    assert Vocabulary.parse(" sky,grass ,  traffic   light,").names == ("sky", "grass", "traffic light")


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x85", "\u2028"])
def test_a_class_file_is_cut_at_line_ends_alone(tmp_path: Path, character: str) -> None:
    (tmp_path / "classes.txt").write_text(f"sky\nred{character}car\n", encoding="utf-8")
    assert Vocabulary.read(tmp_path / "classes.txt").names == ("sky", "red car")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_class_file_is_read_whatever_its_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "classes.txt").write_bytes("sky\r\ncafé\r\n".encode(encoding))
    assert Vocabulary.read(tmp_path / "classes.txt").names == ("sky", "café")


def test_a_list_keeps_commas_and_takes_synonyms() -> None:
    vocabulary = Vocabulary.parse(["no. 5, red", ("car", "automobile"), ["tree"]])
    assert vocabulary.names == ("no. 5, red", "car", "tree")
    assert vocabulary.rows == ("no. 5, red", "car", "automobile", "tree")
    assert vocabulary.row_class == (0, 1, 1, 2)


@given(st.lists(words, min_size=1, unique_by=str.lower))
def test_joining_names_by_commas_and_parsing_returns_them(names: list[str]) -> None:
    assert Vocabulary.parse(", ".join(names)) == Vocabulary.parse(names)
    assert Vocabulary.parse(names).names == tuple(names)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_class_file_with_any_line_ending_and_byte_order_mark(tmp_path: Path, newline: str) -> None:
    file = tmp_path / "classes.txt"
    lines = ["\ufeffsky", "# a comment", "", "car, automobile", "  שמים  "]
    file.write_bytes(newline.join(lines).encode())
    assert Vocabulary.read(file).phrases == (("sky",), ("car", "automobile"), ("שמים",))


def test_two_thousand_names_work() -> None:
    assert len(Vocabulary.parse([f"object {i}" for i in range(2000)]).names) == 2000


def test_right_to_left_names_work() -> None:
    assert Vocabulary.parse("سماء, \u200fשמים").names == ("سماء", "\u200fשמים")


@pytest.mark.parametrize("empty", ["", "  ", [], ()])
def test_nothing_is_refused_with_an_example(empty: str | list[str]) -> None:
    with pytest.raises(VocabularyError, match=r"is empty.*for example"):
        Vocabulary.parse(empty)


@pytest.mark.parametrize("given_words", ["sky,,grass", ["sky", " ", "grass"], [("car", "")], [()]])
def test_an_empty_name_is_refused_not_dropped(given_words: str | list[str]) -> None:
    with pytest.raises(VocabularyError, match="empty"):
        Vocabulary.parse(given_words)


def test_a_long_prompt_is_refused_with_the_limit_and_a_short_message() -> None:
    with pytest.raises(VocabularyError, match=f"10,000 characters.*at most {MAX_CHARACTERS}") as error:
        Vocabulary.parse(["sky", "x" * 10_000])
    assert len(str(error.value)) < 200
    assert Vocabulary.parse(["x" * MAX_CHARACTERS])


@pytest.mark.parametrize("bad", ["a\0b", "a\x7fb", "a\x1b[31mb", "a\udc80b"])
def test_control_characters_and_broken_unicode_are_refused_in_one_printable_line(bad: str) -> None:
    with pytest.raises(VocabularyError, match=r"Name 2 .*U\+[0-9A-F]{4}") as error:
        Vocabulary.parse(["sky", bad])
    assert str(error.value).isprintable()


@pytest.mark.parametrize("twice", ["sky, grass, Sky", ["sky", "grass", ("air", " SKY ")]])
def test_duplicates_are_refused_naming_both_places(twice: str | list[str]) -> None:
    with pytest.raises(VocabularyError, match=r"twice \(names 1 and 3\)"):
        Vocabulary.parse(twice)


def test_something_that_is_no_text_is_refused() -> None:
    with pytest.raises((VocabularyError, TypeError)):  # TypeError: where types are checked at run time
        Vocabulary.parse(["sky", 3])  # type: ignore[list-item]


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        Vocabulary.read(tmp_path / "none.txt")
    with pytest.raises(MissingFileError, match="is a folder"):
        Vocabulary.read(tmp_path)


def test_errors_of_a_file_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_bytes(b"sky\nsky\n")
    with pytest.raises(VocabularyError, match=r"classes\.txt: .*twice"):
        Vocabulary.read(file)
    file.write_bytes(b"sky\n\xff\xfe")
    with pytest.raises(VocabularyError, match=r"classes\.txt is not UTF-8 text \(byte 4\)"):
        Vocabulary.read(file)


def test_checking_prompts_imports_no_torch() -> None:
    program = "import sys, radseg.text.vocabulary, radseg.text.contrast; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
