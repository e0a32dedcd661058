"""Labels told apart by their colours, with the table of which colour is which class: CVAT's labelmap.txt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radseg.datasets.base import IGNORE, Truth
from radseg.errors import ImageError, InputError
from radseg.files import bytes_of, lines_of, shown, text_of
from radseg.io import read_label_colours

TABLE = "labelmap.txt"
BACKGROUND = "background"
"""What CVAT calls pixels without a label; not judged unless it is asked for."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ColourCode:
    """How the colours of a label image stand for classes.

    Attributes:
        index_of: the class index of each colour, or IGNORE.
        table: the file that says so, for messages.
    """

    index_of: Mapping[Colour, int]
    table: Path

    def read(self, path: Path) -> Truth:
        """Return the truth that the colours of the file at `path` stand for.

        Raises:
            ImageError: a colour that stands for no class, as smoothed edges have; see `read_label_colours`.
        """
        red, green, blue = read_label_colours(path).astype(np.uint32).transpose(2, 0, 1)
        present, where, counts = np.unique(
            red << 16 | green << 8 | blue, return_inverse=True, return_counts=True
        )
        colours = [(int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in present]
        wrong = sorted(
            (
                (int(n), colour)
                for n, colour in zip(counts, colours, strict=True)
                if colour not in self.index_of
            ),
            reverse=True,
        )
        if wrong:
            listed = ", ".join(f"{','.join(map(str, colour))} ({n} pixels)" for n, colour in wrong[:3])
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ImageError(
                f"{shown(path)} holds the colours {listed}{more}, which {shown(self.table)} lacks. Labels "
                "that are numbers need no such table: move it away."
            )
        index = np.array([self.index_of[colour] for colour in colours], np.uint16)
        return index[where.reshape(red.shape)]


def colour_table(path: Path) -> dict[Colour, str]:
    """Return the class of each colour: lines of "label:red,green,blue:parts:actions", `#` starts a comment.

    Raises:
        InputError: not text, not such lines, or one colour for two classes.
    """
    try:
        lines = lines_of(text_of(bytes_of(path)))
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not text: {error}.") from error
    table: dict[Colour, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        label, _, rest = line.partition(":")
        try:
            red, green, blue = (int(part) for part in rest.partition(":")[0].split(","))
        except ValueError:
            red = green = blue = -1
        if not label.strip() or not all(0 <= part <= 255 for part in (red, green, blue)):
            raise InputError(
                f"Line {number} of {shown(path)} is not such as `road:128,64,128::`: {line[:60]!r}."
            )
        name = label.strip()
        if table.setdefault((red, green, blue), name) != name:
            raise InputError(
                f"Line {number} of {shown(path)} gives {red},{green},{blue} to {name!r}; "
                f"{table[red, green, blue]!r} has it already."
            )
    if not table:
        raise InputError(f"{shown(path)} names no colour; it has lines such as `road:128,64,128::`.")
    return table


def colour_code(path: Path, names: Sequence[str]) -> ColourCode:
    """Return the code in which a table's colours stand for the classes `names`; upper case counts as lower.

    Raises:
        InputError: a label that is no class, and not "background".
    """
    index = {name.casefold(): i for i, name in enumerate(names)}
    table = colour_table(path)
    unknown = sorted({label for label in table.values() if label.casefold() not in index} - {BACKGROUND})
    if unknown:
        raise InputError(
            f"{shown(path)} names {', '.join(map(repr, unknown))}, which no class is called; the classes are "
            f"{', '.join(names)}. Correct one of the two, or call it {BACKGROUND} to leave it unjudged."
        )
    return ColourCode({colour: index.get(label.casefold(), IGNORE) for colour, label in table.items()}, path)


def classes_of(path: Path) -> tuple[str, ...]:
    """Return the classes of a table in its order, without the background; raises as `colour_table`."""
    return tuple(dict.fromkeys(label for label in colour_table(path).values() if label != BACKGROUND))
