"""CVAT for images 1.1: masks and polygons of one XML; boxes and points say nothing of pixels."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from radseg.datasets.base import Truth
from radseg.datasets.foreign.base import (
    ForeignImage,
    ForeignSet,
    Mask,
    Size,
    class_names,
    document_bytes,
    document_of,
    painted_in_order,
    polygon_mask,
)
from radseg.errors import InputError
from radseg.files import shortened, shown
from radseg.ops.run_lengths import of_run_lengths


class _WithoutDoctype(Xml.TreeBuilder):
    """Refuses a document that declares entities: they may grow without end, or name other files."""

    def doctype(self, *_: object) -> None:
        raise ValueError("it has a document type declaration, which CVAT never writes")


def open_cvat(source: Path) -> ForeignSet:
    """Return the data set of an annotations.xml, or of the folder that holds one.

    Raises:
        InputError: it is no XML of CVAT for images.
        MissingFileError: there is none.
    """
    document = document_of(source, (".",), ("annotations.xml", "*.xml"))
    try:
        parser = Xml.XMLParser(target=_WithoutDoctype())
        parser.feed(document_bytes(document))
        root = parser.close()
    except (Xml.ParseError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(document)} is no XML of CVAT: {error}.") from error
    if root.find("track") is not None:
        raise InputError(f"{shown(document)} holds tracks of a video; export it as CVAT for images 1.1.")
    names = class_names((one.findtext("name") for one in root.iterfind("meta//label")), document)
    index_of = {name: index for index, name in enumerate(names)}
    left_out = Counter(one.tag for image in root.iterfind("image") for one in image if one.tag not in SHAPES)
    places = (document.parent / "images" / "default", document.parent / "images", document.parent)
    return ForeignSet(names, _images(root, index_of), places, left_out)


def _images(root: Xml.Element, index_of: Mapping[str, int]) -> Iterator[ForeignImage]:
    for image in root.iterfind("image"):
        yield ForeignImage(image.attrib.get("name", ""), partial(_truth, image, index_of))


def _truth(image: Xml.Element, index_of: Mapping[str, int], size: Size) -> Truth:
    said = tuple(int(image.attrib.get(side, 0)) for side in ("height", "width"))
    if said != size:
        raise ValueError(f"{said[0]}×{said[1]} pixels, and the image has {size[0]}×{size[1]}")
    shapes = sorted(
        (one for one in image if one.tag in SHAPES), key=lambda one: int(one.attrib.get("z_order", 0))
    )
    masks: list[tuple[int, Callable[[], Mask]]] = []
    for one in shapes:
        label = one.attrib.get("label", "")
        if label not in index_of:
            raise ValueError(f"the class {shortened(label, 40)!r}, which the data set does not name")
        masks.append((index_of[label], partial(SHAPES[one.tag], one, size)))
    return painted_in_order(masks, size)


def _polygon(shape: Xml.Element, size: Size) -> Mask:
    points = shape.attrib.get("points", "")
    return polygon_mask([[float(number) for pair in points.split(";") for number in pair.split(",")]], size)


def _mask(shape: Xml.Element, size: Size) -> Mask:
    left, top, width, height = (int(shape.attrib.get(key, -1)) for key in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(width, height) < 1 or left + width > size[1] or top + height > size[0]:
        raise ValueError("a mask that reaches beyond the image")
    counts = [int(number) for number in shape.attrib.get("rle", "").split(",")]
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = of_run_lengths(counts, width * height).reshape(
        height, width
    )
    return mask


SHAPES: Mapping[str, Callable[[Xml.Element, Size], Mask]] = {"mask": _mask, "polygon": _polygon}
"""What says which pixels belong to a class."""
