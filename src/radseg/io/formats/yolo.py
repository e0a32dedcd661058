"""YOLO segmentation: a text file of polygons an image, and data.yaml.

A polygon of YOLO cannot have holes and cannot be in two pieces. So every piece is a line of its own, and each
hole is joined to its outline by a cut of no width, which runs through pixels of the mask. Corners are pixels,
a quarter behind their left and upper edge: Ultralytics cuts to whole numbers, supervision rounds, and both
then fill (cv2.fillPoly, outline included) exactly the pixels of the mask.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import yaml
from jaxtyping import Bool, Int

from radseg.extras import require
from radseg.io.formats.dataset import DatasetFile, Format, LabelledImage, Part

Ring = Int[np.ndarray, "n 2"]
"""Corners in order, x and y."""
Corner = tuple[int, int]

INSIDE = 0.25
MIN_CORNERS = 3  # with fewer, readers take a line for a box


def yolo(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield data.yaml and a text file an image: class from 0, then x and y of every corner, 0 to 1.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    described = {"train": "images", "val": "images", "names": dict(enumerate(names))}
    yield "data.yaml", [yaml.safe_dump(described, allow_unicode=True, sort_keys=False).encode()]
    for image in images:
        yield f"labels/{image.stem}.txt", (_lines(part, image.size) for part in image.parts)


def _lines(part: Part, size: tuple[int, int]) -> bytes:
    height, width = size
    lines = []
    for ring in polygons(part.crop):
        corners = (ring + part.box[:2] + INSIDE) / (width, height)
        lines.append(f"{part.label - 1} " + " ".join(f"{value:.7g}" for value in corners.ravel()) + "\n")
    return "".join(lines).encode()


def polygons(mask: Bool[np.ndarray, "h w"]) -> list[Ring]:
    """Return a ring for every piece of a mask, holes joined to it; filled by cv2.fillPoly they are the mask.

    Pixels that touch at corners are one piece.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = require("cv2", "yolo")
    found, hierarchy = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [contour.reshape(-1, 2).astype(np.int64) for contour in found]
    outside = [number for number in range(len(rings)) if hierarchy[0][number][3] < 0]
    holes: dict[int, list[int]] = {number: [] for number in outside}
    for number in range(len(rings)):
        if (outline := int(hierarchy[0][number][3])) >= 0:
            holes[outline].append(number)
    return [
        _padded(_simplified(_joined(mask, rings[number], [rings[hole] for hole in holes[number]])))
        for number in outside
    ]


def _joined(mask: Bool[np.ndarray, "h w"], outline: Ring, holes: list[Ring]) -> Ring:
    """Return one closed way around the outline and all holes.

    From the leftmost corner of a hole the cut goes left through the mask to its last pixel: that is a corner
    of what lies beside, the outline or a hole whose own leftmost corner is farther left. So all are reached.
    """
    beside: dict[Corner, list[list[Corner]]] = {}
    for hole in (_corners(hole) for hole in holes):
        start = hole.index(min(hole))
        x, y = hole[start]
        while x > 0 and mask[y, x - 1]:
            x -= 1
        beside.setdefault((x, y), []).append([*hole[start:], *hole[: start + 1], (x, y)])
    way: list[Corner] = []
    open_rings = [iter(_corners(outline))]
    while open_rings:
        corner = next(open_rings[-1], None)
        if corner is None:
            open_rings.pop()
            continue
        way.append(corner)
        open_rings += [iter(hole) for hole in beside.pop(corner, ())]
    return np.array(way, np.int64)


def _corners(ring: Ring) -> list[Corner]:
    return [(x, y) for x, y in ring.tolist()]


def _simplified(ring: Ring) -> Ring:
    """Leave out the corners that lie on the straight way from the one before to the one behind."""
    before, behind = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = (before != behind).any(axis=1)
    return ring[turns] if turns.any() else ring[:1]


def _padded(ring: Ring) -> Ring:
    missing = max(0, MIN_CORNERS - len(ring))
    return np.concatenate([ring, np.repeat(ring[-1:], missing, axis=0)])


YOLO = Format(yolo, "images/{}".format, by_stem=True, needs=("cv2", "yolo"))
