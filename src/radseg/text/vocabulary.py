"""The prompts a person asks for, checked: names with their synonyms. No torch: wrong use raises at once."""

import json
import reprlib
import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from radseg.errors import VocabularyError
from radseg.files import given_or_piped_bytes, text_of
from radseg.text.class_files import groups_of
from radseg.text.clean import collapse_whitespace, lower_case, shown

# A text tower reads 64 tokens (CLIP 77), about 300 characters of English; a prompt beyond this is a mistake.
MAX_CHARACTERS = 512
# Label maps are uint16 above 254 names; 0 is none and 65 535 stays free for "ignore".
MAX_NAMES = 65_534
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
"""Soft hyphen, zero-width space, word joiner, byte-order mark: no script needs them inside a name."""


@dataclass(frozen=True)
class Vocabulary:
    """Class names in the caller's order, each with the phrases that stand for it.

    Attributes:
        phrases: per class its name, then its synonyms; every phrase is embedded and none occurs twice (letter
            case and spacing do not tell phrases apart; whether punctuation does, only the text tower knows).

    Raises:
        VocabularyError: no name, or a phrase is empty, too long, repeated, or holds control characters.
    """

    phrases: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if not self.phrases:
            raise VocabularyError(
                'The vocabulary is empty. Give at least one name, for example "sky, grass, sheep".'
            )
        if len(self.phrases) > MAX_NAMES:
            raise VocabularyError(f"{len(self.phrases):,} names; a label map can tell {MAX_NAMES:,} apart.")
        first_at: dict[str, int] = {}
        for position, group in enumerate(self.phrases, start=1):
            _check_group(group, position, first_at)

    @property
    def names(self) -> tuple[str, ...]:
        """The display names: the first phrase of each class."""
        return tuple(group[0] for group in self.phrases)

    @property
    def rows(self) -> tuple[str, ...]:
        """All phrases in order: one row of text embeddings each."""
        return tuple(chain.from_iterable(self.phrases))

    @property
    def row_class(self) -> tuple[int, ...]:
        """For each of `rows` the index of its class."""
        return tuple(index for index, group in enumerate(self.phrases) for _ in group)

    @classmethod
    def parse(cls, prompts: str | Sequence[str | Sequence[str]]) -> "Vocabulary":
        """Return the vocabulary of a list of names, or of a comma separated line as typed after `-p`.

        In a list, names are taken as they are, a comma included, and only their spacing is tidied; a tuple or
        list in it is a name followed by its synonyms. In a line every comma separates, and one at the end is
        ignored.

        Example:
            >>> Vocabulary.parse("sky, grass, traffic light").names
            ('sky', 'grass', 'traffic light')
            >>> Vocabulary.parse(["sky", ("car", "automobile")]).rows
            ('sky', 'car', 'automobile')
        """
        if isinstance(prompts, str):
            line = prompts.strip().removesuffix(",")
            prompts = _json_list(line) or (line.split(",") if line else ())
        elif isinstance(prompts, Set | Mapping):
            raise VocabularyError(
                f"Names in a {type(prompts).__name__} have no order to number them by; pass a list."
            )
        return cls(tuple(_group(item) for item in prompts))

    @classmethod
    def read(cls, path: str | Path) -> "Vocabulary":
        """Return the vocabulary of a class file: UTF-8, one class per line, ", " before each synonym.

        Blank lines and lines starting with "#" are skipped; a byte-order mark and any line ending are fine.
        JSON, YAML, numbered lines and label maps are read as `class_files` says. `-` is standard input, and
        `<(…)` of a shell works.

        Raises:
            MissingFileError, InputError: there is no such file, or it is none; see `files.given_bytes`.
            VocabularyError: the file is not UTF-8 text, or its names are not a vocabulary.
        """
        path = Path(path)
        text = _read_text(path)
        try:
            return cls.parse(groups_of(text, path.suffix))
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error}") from error


def _json_list(text: str) -> list[str | list[str]] | None:
    """Return the names in a JSON list, None if the text is none."""
    if not text.startswith(("[", "{")):
        return None
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(listed, list):
        raise VocabularyError(
            'A JSON object is no list of names; write ["sky", "grass"], or give the file to --classes.'
        )
    return listed


def _group(item: object) -> tuple[str, ...]:
    phrases = tuple(item) if isinstance(item, list | tuple) else (item,)
    for phrase in phrases:
        if not isinstance(phrase, str):
            raise VocabularyError(
                f"A name must be text, not {type(phrase).__name__} ({reprlib.repr(phrase)})."
            )
    # Composed, so that é typed on one system and on another is one text for the tower too.
    return tuple(collapse_whitespace(unicodedata.normalize("NFC", phrase)) for phrase in phrases)


def _check_group(group: tuple[str, ...], position: int, first_at: dict[str, int]) -> None:
    if not group:
        raise VocabularyError(f"Name {position} is an empty list. Give the name, then its synonyms.")
    for phrase in group:
        _check_phrase(phrase, position)
        key = lower_case(_visible(phrase))
        if key in first_at:
            raise VocabularyError(
                f"The name {shown(phrase)} is given twice (names {first_at[key]} and {position}). "
                "Remove one of them."
            )
        first_at[key] = position


def _visible(phrase: str) -> str:
    """Return a phrase without what no reader sees: joiners and direction marks, which some scripts need."""
    return "".join(character for character in phrase if unicodedata.category(character) != "Cf")


def _check_phrase(phrase: str, position: int) -> None:
    if not _visible(phrase).strip():
        raise VocabularyError(f"Name {position} is empty. Remove it, or write what it should find.")
    if len(phrase) > MAX_CHARACTERS:
        raise VocabularyError(
            f"Name {position} has {len(phrase):,} characters ({shown(phrase)}); at most {MAX_CHARACTERS} are "
            "allowed, and a text tower reads about 300."
        )
    for character in phrase:
        # Cc: NUL and other control characters. Cs: half a surrogate pair, what undecodable bytes turn into.
        invisible = character in _INVISIBLE
        if invisible or unicodedata.category(character) in {"Cc", "Cs"}:
            what = "an invisible character" if invisible else "the control character"
            raise VocabularyError(
                f"Name {position} ({shown(phrase)}) holds {what} U+{ord(character):04X}. Remove it."
            )


def _read_text(path: Path) -> str:
    try:
        return text_of(given_or_piped_bytes(path, "class file"))
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
