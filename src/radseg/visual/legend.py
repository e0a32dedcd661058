"""The strip under an image that says which colour is what: a swatch, the name, its share of the image."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from radseg.visual.text import Text, legible, shorten

PANEL = (18, 21, 26)
INK = (240, 242, 245)
FAINT = (150, 158, 170)
NARROWEST = 360
"""Pixels an image with a legend is wide at least; a smaller image stands in the middle."""


_TALLEST = 65_500
"""Pixels that libjpeg writes; an image of io.image.MAX_SIDE leaves room for four lines."""


class Entry(NamedTuple):
    """One line of a legend: `note` is printed faintly after the name."""

    name: str
    note: str
    colour: tuple[int, int, int]
    otherwise: str


def letter_size(width: int, height: int) -> int:
    """Return the letter size in pixels for an image of this size: legible when all of it is in view."""
    return max(14, round(min(width, 1.6 * height) / 52))


def with_legend(image: Image.Image, entries: Sequence[Entry]) -> Image.Image:
    """Return the image with a legend below; entries flow in lines, the last one counts what is left out."""
    return stacked(image, legend_strip(image.width, image.height, entries))


def stacked(image: Image.Image, below: Image.Image | None) -> Image.Image:
    """Return the image, in the middle where it is narrower, above a strip of its own width or NARROWEST."""
    if below is None:
        return image
    canvas = Image.new("RGB", (below.width, image.height + below.height), PANEL)
    canvas.paste(image, ((below.width - image.width) // 2, 0))
    canvas.paste(below, (0, image.height))
    return canvas


def legend_strip(width: int, height: int, entries: Sequence[Entry]) -> Image.Image | None:
    """Return the legend that stands below an image of this size; None without entries."""
    if not entries:
        return None
    width = max(width, NARROWEST)
    size = letter_size(width, height)
    chips = [_Chip.of(entry, size, widest=width - 2 * size) for entry in entries]
    rows = _flow(chips, width, size, max_rows=_max_rows(height, size))
    line = round(size * 1.75)
    strip = Image.new("RGB", (width, len(rows) * line + size), PANEL)
    draw = ImageDraw.Draw(strip)
    middle = size // 2 + line / 2
    for row in rows:
        left = float(size)
        for chip in row:
            chip.draw(draw, left, middle, size)
            left += chip.width(size) + size * 1.4
        middle += line
    return strip


class _Chip(NamedTuple):
    name: Text
    note: Text
    colour: tuple[int, int, int] | None

    @classmethod
    def of(cls, entry: Entry, size: int, *, widest: int) -> "_Chip":
        note = legible(entry.note, size=round(size * 0.85), otherwise="")
        name = legible(entry.name, size=size, otherwise=entry.otherwise)
        room = min(widest - note.width - round(size * 2.2), size * 16)
        return cls(shorten(name, max(room, size * 3)), note, entry.colour)

    def width(self, size: int) -> int:
        swatch = 0 if self.colour is None else round(size * 1.55)
        return swatch + self.name.width + round(size * 0.5) + self.note.width

    def draw(self, draw: ImageDraw.ImageDraw, left: float, middle: float, size: int) -> None:
        if self.colour is not None:
            box = (left, middle - size * 0.5, left + size * 1.1, middle + size * 0.5)
            draw.rounded_rectangle(box, radius=size * 0.28, fill=self.colour)
            left += size * 1.55
        draw.text((left, middle), self.name.letters, font=self.name.font, fill=INK, anchor="lm")
        left += self.name.width + size * 0.5
        draw.text((left, middle), self.note.letters, font=self.note.font, fill=FAINT, anchor="lm")


def _max_rows(height: int, size: int) -> int:
    line = round(size * 1.75)
    return max(4, min(int(height * 0.5 / (size * 1.75)), (_TALLEST - height - size) // line))


def _flow(chips: Sequence[_Chip], width: int, size: int, *, max_rows: int) -> list[list[_Chip]]:
    """Break chips into rows of at most `width` pixels; replace those beyond `max_rows` by their number."""
    rows: list[list[_Chip]] = [[]]
    left = 2.0 * size
    for chip in chips:
        step = chip.width(size) + size * 1.4
        if rows[-1] and left + step - size * 1.4 > width:
            rows.append([])
            left = 2.0 * size
        rows[-1].append(chip)
        left += step
    if len(rows) <= max_rows:
        return rows
    hidden = sum(len(row) for row in rows[max_rows - 1 :])
    text = legible(f"… and {hidden} more", size=size, otherwise="")
    return [*rows[: max_rows - 1], [_Chip(text, Text("", text.font), None)]]
