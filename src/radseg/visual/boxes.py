"""Boxes of objects over a render of a map, the nearest last, each with a line of text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from radseg.visual.legend import PANEL, letter_size
from radseg.visual.maps import View
from radseg.visual.text import legible


class ShownBox(NamedTuple):
    """A box and what stands at it.

    Attributes:
        edges: their ends, metres.
        text: at its top.
        colour: sRGB.
    """

    edges: Float[np.ndarray, "e 2 3"]
    text: str
    colour: tuple[int, int, int]


def draw_boxes(image: Image.Image, view: View, boxes: Sequence[ShownBox]) -> Image.Image:
    """Return a copy of a render with boxes drawn over it; those not wholly before the viewer are left out."""
    drawn = image.copy()
    draw, size = ImageDraw.Draw(drawn), letter_size(image.width, image.height)
    places = [view.project(box.edges.reshape(-1, 3), image.width, image.height) for box in boxes]
    order = sorted(range(len(boxes)), key=lambda i: -float(places[i].distance.mean()))
    for i in order:
        place, box = places[i], boxes[i]
        if not place.front.all():
            continue
        for line in np.stack([place.x, place.y], 1).reshape(-1, 2, 2):
            ends = [(float(x), float(y)) for x, y in line]
            draw.line(ends, fill=PANEL, width=4)
            draw.line(ends, fill=box.colour, width=2)
    for i in order:
        place, box = places[i], boxes[i]
        if not place.front.all():
            continue
        label = legible(box.text, size=round(size * 0.8), otherwise="")
        x, y = float(place.x.mean()), float(place.y.min()) - 2
        left, top, right, bottom = draw.textbbox((x, y), label.letters, font=label.font, anchor="mb")
        draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=PANEL)
        draw.text((x, y), label.letters, font=label.font, fill=box.colour, anchor="mb")
    return drawn
