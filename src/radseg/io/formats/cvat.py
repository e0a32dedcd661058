"""CVAT for images 1.1: one XML; masks are run lengths along the rows of their box, so exact."""

from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree as Xml

from radseg.colours import hex_colour
from radseg.io.formats.dataset import (
    DatasetFile,
    Format,
    LabelledImage,
    Part,
    distinct_colours,
    with_text,
    xml_bytes,
)
from radseg.ops.run_lengths import run_lengths


def cvat(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield annotations.xml; its images have the names by which a task knows them."""
    yield "annotations.xml", _pieces(images, names)


def _pieces(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[bytes]:
    yield b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    yield xml_bytes(_meta(names))
    for number, image in enumerate(images):
        height, width = image.size
        element = Xml.Element("image", id=str(number), name=image.name, width=str(width), height=str(height))
        element.extend(_mask(part) for part in image.parts)
        yield xml_bytes(element)
    yield b"</annotations>\n"


def _meta(names: Sequence[str]) -> Xml.Element:
    meta = Xml.Element("meta")
    labels = Xml.SubElement(Xml.SubElement(meta, "task"), "labels")
    for name, colour in zip(names, distinct_colours(names), strict=True):
        label = Xml.SubElement(labels, "label")
        with_text(label, "name", name)
        with_text(label, "color", hex_colour(colour))
        Xml.SubElement(label, "attributes")
    return meta


def _mask(part: Part) -> Xml.Element:
    x0, y0, x1, y1 = part.box
    numbers = {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0, "z_order": 0, "occluded": 0}
    runs = ", ".join(map(str, run_lengths(part.crop.ravel())))
    values = {key: str(value) for key, value in numbers.items()}
    return Xml.Element("mask", {"label": part.name, "source": "auto", "rle": runs, **values})


CVAT = Format(cvat, "images/{}".format)
