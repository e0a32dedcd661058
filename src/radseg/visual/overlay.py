"""Labels over a photo: regions tinted in their colour with a crisp edge, named inside where there is room."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

from radseg.colours import colours
from radseg.io.labels import LabelMap, label_counts
from radseg.ops.bands import row_bands
from radseg.visual.legend import Entry, legend_strip, letter_size
from radseg.visual.text import Text, legible, shorten

TINT = 0.52
"""How much of a pixel inside a region is the region's colour; the rest is the photo."""

GREYED = 0.55
"""How far the photo under a region is drained of its own colour; else a blue tint on a blue sky is lost."""

_COARSE = 320  # longest side of the small map on which places for names are looked for


def overlay(image: UInt8[np.ndarray, "H W 3"] | None, labels: LabelMap, names: Sequence[str]) -> Image.Image:
    """Return `paint` with the names written in large regions, at the size of the labels."""
    canvas = Image.new("RGB", labels.shape[::-1])
    for rows, part in _painted(image, labels, names):
        canvas.paste(Image.fromarray(part), (0, rows.start))
    _write_names(canvas, labels, names, _present(label_counts(labels, len(names))))
    return canvas


def legend(labels: LabelMap, names: Sequence[str]) -> Image.Image | None:
    """Return colour, name and share of what is present, largest first; None where nothing is.

    It is as wide as the labels, or `legend.NARROWEST`, and its letters have the size of those in `overlay`.
    """
    counts = label_counts(labels, len(names))
    table = colours(names)
    entries = [
        Entry(
            names[index],
            _share(counts[index + 1] / labels.size),
            (int(table[index][0]), int(table[index][1]), int(table[index][2])),
            f"name {index + 1}",
        )
        for index in _present(counts)
    ]
    return legend_strip(labels.shape[1], labels.shape[0], entries)


def _present(counts: Integer[np.ndarray, "labels"]) -> list[int]:
    """Return the names that have a pixel, largest first, from the pixels of each label."""
    return sorted(np.flatnonzero(counts[1:]).tolist(), key=lambda index: -counts[index + 1])


def paint(
    image: UInt8[np.ndarray, "H W 3"] | None, labels: LabelMap, names: Sequence[str]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image with every region tinted and edged in the colour of its name, at the same size.

    Without an image the regions are flat and label 0 is dark grey. Labels above the number of names
    (ignore) stay untouched.
    """
    painted = np.empty((*labels.shape, 3), np.uint8)
    for rows, part in _painted(image, labels, names):
        painted[rows] = part
    return painted


def _painted(
    image: UInt8[np.ndarray, "H W 3"] | None, labels: LabelMap, names: Sequence[str]
) -> Iterator[tuple[slice, UInt8[np.ndarray, "h W 3"]]]:
    """Yield what `paint` returns, a few rows at a time: of all rows it takes 20 bytes a pixel."""
    table = np.zeros((int(np.iinfo(labels.dtype).max) + 1, 3), np.uint8)
    table[1 : len(names) + 1] = colours(names)
    width = max(1, round(min(labels.shape) / 300))
    for rows in row_bands(*labels.shape):
        some = labels[rows]
        named = ((some > 0) & (some <= len(names)))[..., None]
        tints = table[some]
        if image is None:
            yield rows, np.where(named, tints, np.uint8(40))
            continue
        photo = Image.fromarray(np.ascontiguousarray(image[rows]))
        drained = Image.blend(photo, photo.convert("L").convert("RGB"), GREYED)
        mixed = np.array(Image.blend(drained, Image.fromarray(tints), TINT))
        first = max(0, rows.start - width - 1)
        outline = _outline(labels[first : rows.stop + width + 1])
        inside = slice(rows.start - first, rows.stop - first)
        edge = ndimage.binary_dilation(outline, iterations=width)[inside] & named[..., 0]
        mixed[edge] = tints[edge]
        mixed[outline[inside]] //= 4
        yield rows, np.where(named, mixed, image[rows])


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
    size = letter_size(labels.shape[1], labels.shape[0])
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
