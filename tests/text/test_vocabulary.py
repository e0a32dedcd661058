"""Words as people give them: lines, lists, files, and what is refused."""

import subprocess
import sys
import unicodedata
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import MissingFileError, VocabularyError
from radseg.text.vocabulary import MAX_CHARACTERS, Vocabulary

composed = partial(unicodedata.normalize, "NFC")
words = st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=12).map(composed)


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


@pytest.mark.parametrize("given", [{"sky", "grass"}, frozenset({"sky"}), {"sky": 1}])
def test_names_without_an_order_are_refused(given: object) -> None:
    with pytest.raises(VocabularyError, match="have no order to number them by; pass a list"):
        Vocabulary.parse(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["cafe\u0301", "caf\u00e9\u200d", "\u200eCAF\u00c9"])
def test_names_that_look_alike_are_one_name(other: str) -> None:
    assert Vocabulary.parse([other]).names[0] in ("caf\u00e9", "caf\u00e9\u200d", "\u200eCAF\u00c9")
    with pytest.raises(VocabularyError, match="given twice"):
        Vocabulary.parse(["caf\u00e9", other])


@pytest.mark.parametrize("character", ["\ufeff", "\u200b", "\u2060", "\u00ad"])
def test_invisible_characters_inside_a_name_are_refused(character: str) -> None:
    with pytest.raises(VocabularyError, match=f"invisible character U.{ord(character):04X}"):
        Vocabulary.parse([f"sk{character}y"])


def test_a_name_of_nothing_visible_is_empty() -> None:
    with pytest.raises(VocabularyError, match="is empty"):
        Vocabulary.parse(["sky", "\u200d"])


def test_a_json_list_is_read_as_a_list_typed_or_in_a_file(tmp_path: Path) -> None:
    text = '["sky", ["car", "automobile"], "no. 5, red"]'
    (tmp_path / "names.json").write_text(text)
    expected = (("sky",), ("car", "automobile"), ("no. 5, red",))
    assert Vocabulary.parse(text).phrases == Vocabulary.read(tmp_path / "names.json").phrases == expected
    with pytest.raises(VocabularyError, match="JSON object is no list"):
        Vocabulary.parse('{"names": ["sky"]}')
    assert Vocabulary.parse("[sky], grass").names == ("[sky]", "grass")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("sky:70,130,180::", "CVAT's label map"),
        ("road:::", "CVAT's label map"),
        ("names: [sky, grass]", "YOLO's data.yaml"),
        ("nc: 3", "YOLO's data.yaml"),
        ("0: sky", "YOLO's data.yaml"),
        ("- sky", "YAML list"),
        ('"sky",', "line of JSON"),
        ("]", "line of JSON"),
    ],
)
def test_lines_of_other_tools_files_are_named(tmp_path: Path, line: str, what: str) -> None:
    (tmp_path / "names.txt").write_text(f"tree\n{line}\n")
    with pytest.raises(VocabularyError, match=f"Line 2.*{what}"):
        Vocabulary.read(tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("a:b\nwall-brick\n3 chairs\nsky (blue)\n")
    assert len(Vocabulary.read(tmp_path / "names.txt").names) == 4
