"""A sheet of several label maps of one photo: the photo, one panel per method, one legend for all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from radseg.colours import colours, patterns
from radseg.io.labels import LabelMap
from radseg.visual.legend import FAINT, INK, PANEL, Entry, letter_size, with_legend
from radseg.visual.overlay import paint
from radseg.visual.text import legible, shorten

MAX_COLUMNS = 4
TILE_WIDTH = 480
"""Pixels; photos are scaled to it, so that a sheet of four columns is readable on a screen."""
_GAP = 12


@dataclass(frozen=True, eq=False)
class Panel:
    """One method's answer.

    Attributes:
        title: the method's name.
        note: printed faintly after it, such as its seconds.
        labels: of the photo's size; 0 for none, names from 1.
    """

    title: str
    note: str
    labels: LabelMap


def comparison(
    image: UInt8[np.ndarray, "H W 3"], panels: Sequence[Panel], names: Sequence[str]
) -> Image.Image:
    """Return the photo and every panel side by side, with the names that any of them found below."""
    scale = TILE_WIDTH / image.shape[1]
    size = (TILE_WIDTH, max(1, round(image.shape[0] * scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    tiles = [tile(small, "photo", f"{image.shape[1]} × {image.shape[0]}")]
    for panel in panels:
        # Painted at tile size, so that edges are crisp; nearest, because labels are no quantities.
        labels = np.asarray(Image.fromarray(panel.labels).resize(size, Image.Resampling.NEAREST))
        tiles.append(tile(paint(small, labels, names), panel.title, panel.note))
    return with_legend(grid(tiles), _entries(panels, names))


def tile(image: UInt8[np.ndarray, "h w 3"], title: str, note: str) -> Image.Image:
    """Return an image under a line with its title and note."""
    height, width = image.shape[:2]
    size = letter_size(width * 2, height * 2)
    line = round(size * 1.9)
    canvas = Image.new("RGB", (width, height + line), PANEL)
    canvas.paste(Image.fromarray(image), (0, line))
    draw = ImageDraw.Draw(canvas)
    faint = legible(note, size=round(size * 0.85), otherwise="")
    name = shorten(legible(title, size=size, otherwise="method"), width - faint.width - size * 2)
    draw.text((size // 3, line / 2), name.letters, font=name.font, fill=INK, anchor="lm")
    draw.text((width - size // 3, line / 2), faint.letters, font=faint.font, fill=FAINT, anchor="rm")
    return canvas


def grid(tiles: Sequence[Image.Image]) -> Image.Image:
    """Return the tiles, all of one size, in rows of equal length as far as they go."""
    columns = min(len(tiles), MAX_COLUMNS)
    rows = math.ceil(len(tiles) / columns)
    columns = math.ceil(len(tiles) / rows)
    width, height = tiles[0].size
    canvas = Image.new("RGB", (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP), PANEL)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        canvas.paste(tile, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
    return canvas


def _entries(panels: Sequence[Panel], names: Sequence[str]) -> list[Entry]:
    """Return the names in the caller's order, each with the number of panels that found it."""
    table, lines = colours(names), patterns(names)
    found = [
        sum(bool((panel.labels == index).any()) for panel in panels) for index in range(1, len(names) + 1)
    ]
    return [
        Entry(
            name,
            f"found by {count} of {len(panels)}" if len(panels) > 1 else "",
            (int(colour[0]), int(colour[1]), int(colour[2])),
            f"name {index}",
            int(lines[index - 1]),
        )
        for index, (name, colour, count) in enumerate(zip(names, table, found, strict=True), start=1)
        if count
    ]
