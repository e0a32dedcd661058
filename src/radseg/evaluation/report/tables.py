"""A small table of text cells, as Markdown, CSV, and JSON rows. Knows nothing of what it shows."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from radseg.errors import InputError

Cell = str | int | float | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes as the beginning of a formula


@dataclass(frozen=True)
class Table:
    """Columns by name, and rows of cells.

    Attributes:
        rows: one cell per column; None is an empty cell. Numbers keep their value in CSV and JSON.
        digits: decimals of floating cells in Markdown.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: int = 2

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"A row of {len(row)} cells in a table of {len(self.columns)} columns: {row}."
                )

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown, columns of one width; columns of numbers to the right."""
        shown = [[self._text(cell) for cell in row] for row in self.rows]
        heads = [_plain(column) for column in self.columns]
        widths = [max(3, *(len(line[i]) for line in [heads, *shown])) for i in range(len(heads))]
        numeric = [self._is_numeric(i) for i in range(len(heads))]
        rule = [
            "-" * (width - 1) + ":" if right else "-" * width
            for width, right in zip(widths, numeric, strict=True)
        ]
        lines = [_aligned(heads, widths, numeric), rule, *(_aligned(row, widths, numeric) for row in shown)]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)

    def csv(self) -> str:
        """Return the table as CSV with a head line; cells that a spreadsheet would run are quoted as text."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if cell is None else _harmless(cell) for cell in row] for row in self.rows])
        return stream.getvalue()

    def records(self) -> list[dict[str, Cell]]:
        """Return one dictionary per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def _text(self, cell: Cell) -> str:
        if cell is None:
            return ""
        return f"{cell:.{self.digits}f}" if isinstance(cell, float) else _plain(str(cell))

    def _is_numeric(self, column: int) -> bool:
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)


def markdown_list(items: Sequence[str]) -> str:
    """Return a bulleted list."""
    return "".join(f"- {_plain(item)}\n" for item in items)


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if at_right else cell.ljust(width)
        for cell, width, at_right in zip(cells, widths, right, strict=True)
    ]


def _plain(text: str) -> str:
    """Return text that stays one cell: no bar, no line break, no HTML that a page would run."""
    one_line = " ".join(text.split())
    return one_line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _harmless(cell: str | int | float) -> str | int | float:
    """Return the cell; a text that begins like a formula gets an apostrophe in front (CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
