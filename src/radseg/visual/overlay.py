"""Labels over a photo: regions tinted in their colour with a crisp edge, named inside where there is room."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

from radseg.colours import colours
from radseg.io.labels import LabelMap
from radseg.visual.legend import Entry, letter_size, with_legend
from radseg.visual.text import Text, legible, shorten

TINT = 0.52
"""How much of a pixel inside a region is the region's colour; the rest is the photo."""

GREYED = 0.55
"""How far the photo under a region is drained of its own colour; else a blue tint on a blue sky is lost."""

_COARSE = 320  # longest side of the small map on which places for names are looked for


def overlay(image: UInt8[np.ndarray, "H W 3"] | None, labels: LabelMap, names: Sequence[str]) -> Image.Image:
    """Return `paint` with the names written in large regions and a legend of what is present, largest first.

    The legend stands below the image, never on it; pixels of label 0 show the photo unchanged.
    """
    canvas = Image.fromarray(paint(image, labels, names))
    counts = np.bincount(labels.reshape(-1), minlength=len(names) + 1)[: len(names) + 1]
    table = colours(names)
    present = sorted(np.flatnonzero(counts[1:]).tolist(), key=lambda index: -counts[index + 1])
    _write_names(canvas, labels, names, present)
    entries = [
        Entry(
            names[index],
            _share(counts[index + 1] / labels.size),
            (int(table[index][0]), int(table[index][1]), int(table[index][2])),
            f"name {index + 1}",
        )
        for index in present
    ]
    return with_legend(canvas, entries)


def paint(
    image: UInt8[np.ndarray, "H W 3"] | None, labels: LabelMap, names: Sequence[str]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image with every region tinted and edged in the colour of its name, at the same size.

    Without an image the regions are flat and label 0 is dark grey. Labels above the number of names
    (ignore) stay untouched.
    """
    table = np.zeros((int(np.iinfo(labels.dtype).max) + 1, 3), np.uint8)
    table[1 : len(names) + 1] = colours(names)
    named = (labels > 0) & (labels <= len(names))
    tints = table[labels]
    if image is None:
        return np.where(named[..., None], tints, np.uint8(40))
    photo = Image.fromarray(image)
    drained = Image.blend(photo, photo.convert("L").convert("RGB"), GREYED)
    mixed = np.array(Image.blend(drained, Image.fromarray(tints), TINT))
    edge = _edges(labels) & named
    mixed[edge] = tints[edge]
    mixed[_outline(labels)] //= 4
    return np.where(named[..., None], mixed, image)


def _edges(labels: LabelMap) -> Bool[np.ndarray, "H W"]:
    """Pixels within a few of another label: two and more for large images, inside each region."""
    width = max(1, round(min(labels.shape) / 300))
    border = _outline(labels)
    return np.asarray(ndimage.binary_dilation(border, iterations=width))


def _outline(labels: LabelMap) -> Bool[np.ndarray, "H W"]:
    """Pixels whose right or lower neighbour has another label."""
    border = np.zeros(labels.shape, bool)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border


class _Place(NamedTuple):
    column: float
    row: float


def _write_names(canvas: Image.Image, labels: LabelMap, names: Sequence[str], present: Sequence[int]) -> None:
    """Write each name once, at the widest place of its region, where it fits and covers no other name."""
    draw = ImageDraw.Draw(canvas)
    size = letter_size(canvas.width, canvas.height)
    step = max(1, -(-max(labels.shape) // _COARSE))
    small = labels[step // 2 :: step, step // 2 :: step]
    used: list[tuple[float, float, float, float]] = []
    for index in present[:40]:
        mask = small == index + 1
        text = shorten(legible(names[index], size=size, otherwise=f"name {index + 1}"), size * 12)
        box = _text_box(text, _middle(mask, step), size)
        if not _lies_inside(box, mask, step) or _meets_any(box, used):
            continue
        used.append(box)
        draw.text(
            ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2),
            text.letters,
            font=text.font,
            fill=(255, 255, 255),
            anchor="mm",
            stroke_width=max(2, size // 8),
            stroke_fill=(15, 17, 20),
        )


def _middle(mask: Bool[np.ndarray, "h w"], step: int) -> _Place:
    """A place deep inside a mask on the coarse grid, the nearest to its centre of mass, in image pixels."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= 0.9 * depth.max(initial=1))
    if len(rows) == 0:
        return _Place(0, 0)
    centre = [axis.mean() for axis in np.nonzero(mask)]
    best = np.argmin((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2)
    return _Place((float(columns[best]) + 0.5) * step, (float(rows[best]) + 0.5) * step)


def _text_box(text: Text, place: _Place, size: int) -> tuple[float, float, float, float]:
    half, rise = text.width / 2 + size * 0.3, size * 0.75
    return place.column - half, place.row - rise, place.column + half, place.row + rise


def _lies_inside(box: tuple[float, float, float, float], mask: Bool[np.ndarray, "h w"], step: int) -> bool:
    """Whether a box lies on the image and at least nine tenths of it on its own region."""
    left, top, right, bottom = (round(side / step) for side in box)
    if left < 0 or top < 0 or right > mask.shape[1] or bottom > mask.shape[0]:
        return False
    covered = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
    return bool(covered.size and covered.mean() >= 0.9)


def _meets_any(
    box: tuple[float, float, float, float], others: Sequence[tuple[float, float, float, float]]
) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in others
    )


def _share(part: float) -> str:
    return f"{part:.1%}" if part >= 0.001 else "< 0.1%"
