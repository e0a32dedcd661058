"""How a prompt is cleaned before the tokeniser sees it: a fact of each embedding space."""

import string
from collections.abc import Callable

from radseg.errors import VocabularyError

_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SHOWN = 40


def collapse_whitespace(text: str) -> str:
    """Return `text` with every run of whitespace as one space, none at the ends."""
    return " ".join(text.split())


def lower_case(text: str) -> str:
    """Return `text` in lower case with whitespace collapsed: what CLIP's tokeniser does first."""
    return collapse_whitespace(text).lower()


def canonicalise(text: str) -> str:
    """Return `text` as SigLIP saw it in training: no ASCII punctuation, lower case, single spaces.

    "_" becomes a space, a hyphen vanishes without one ("close-up" -> "closeup"); non-ASCII characters stay.
    """
    return lower_case(text.replace("_", " ").translate(_DELETE_PUNCTUATION))


def cleaning_of(space: str) -> Callable[[str], str]:
    """Return the cleaning that the text tower of `space` needs; idempotent.

    SigLIP 1 and 2: `canonicalise`. CLIP: `lower_case`. Anything else, such as a toy: `collapse_whitespace`.
    """
    # RADIO canonicalises for SigLIP2 itself; for SigLIP 1 the tokeniser published with those weights does it.
    if space.startswith("siglip"):
        return canonicalise
    return lower_case if "clip" in space else collapse_whitespace


def shown(text: str) -> str:
    """Return `text` quoted for a message: escaped, and cut after forty characters."""
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}…"


def clean_phrases(phrases: tuple[str, ...], space: str) -> tuple[str, ...]:
    """Return the phrases as the tower of `space` will read them.

    Raises:
        VocabularyError: nothing is left of a phrase, or two become the same.
    """
    clean = cleaning_of(space)
    source: dict[str, str] = {}
    for phrase in phrases:
        cleaned = clean(phrase)
        if not cleaned:
            raise VocabularyError(
                f"Nothing is left of the name {shown(phrase)} for the text tower of {space!r}, which ignores "
                "ASCII punctuation. Use a name with letters or digits."
            )
        if cleaned in source:
            raise VocabularyError(
                f"The names {shown(source[cleaned])} and {shown(phrase)} are the same text for the tower of "
                f"{space!r} ({shown(cleaned)}). Remove one, or word it differently."
            )
        source[cleaned] = phrase
    return tuple(source)
