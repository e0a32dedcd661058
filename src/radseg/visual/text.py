"""Draw any name in any script: choose a font that has its letters, drop what none has, shorten.

Pillow's own font knows ASCII only. Names in other scripts use the first of a few common system fonts that
has all their letters; a machine without such a font shows what remains, or the number of the name.
"""

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

# Wide coverage first; each is part of a common Linux, macOS or Windows installation.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "arial.ttf",
    "msyh.ttc",
    "NotoSansArabic-Regular.ttf",
)
_LONGEST = 60  # letters of a name that are looked at; more never fits into a legend


class Text(NamedTuple):
    """Letters and the font that has all of them."""

    letters: str
    font: FreeTypeFont

    @property
    def width(self) -> int:
        """Width in pixels."""
        return round(self.font.getlength(self.letters))


def legible(name: str, *, size: int, otherwise: str) -> Text:
    """Return a name as it can be drawn at `size` pixels, or `otherwise` where no font has its letters."""
    letters = _one_line(name)
    for family in ("", *_SYSTEM_FONTS):
        if all(_has(family, letter) for letter in letters):
            return Text(letters or otherwise, _font(family, size))
    plain = unicodedata.normalize("NFKD", letters)
    left = " ".join("".join(letter for letter in plain if _has("", letter)).split())
    return Text(left or otherwise, _font("", size))


def shorten(text: Text, width: int) -> Text:
    """Return a text of at most `width` pixels, its end replaced by an ellipsis where it is longer."""
    if text.width <= width:
        return text
    for end in range(len(text.letters) - 1, 0, -1):
        shorter = Text(text.letters[:end].rstrip() + "…", text.font)
        if shorter.width <= width:
            return shorter
    return Text("…", text.font)


def _one_line(name: str) -> str:
    """Drop control and direction marks and surplus blanks; they draw boxes or reorder the line."""
    kept = (c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") else " " for c in name[:1000])
    line = " ".join("".join(kept).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


@lru_cache(maxsize=64)
def _font(family: str, size: int) -> FreeTypeFont:
    font = ImageFont.truetype(family, size) if family else ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; install a standard Pillow wheel.")
    return font


@lru_cache(maxsize=64)
def _missing_glyph(family: str) -> bytes | None:
    """Return how a font draws a letter it does not have; None where there is no such font."""
    try:
        return bytes(_font(family, 20).getmask("\U0010ffff"))
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(family: str, letter: str) -> bool:
    missing = _missing_glyph(family)
    if missing is None:
        return False
    if letter.isspace() or unicodedata.combining(letter):
        return family != "" or letter == " "
    return bytes(_font(family, 20).getmask(letter)) != missing
