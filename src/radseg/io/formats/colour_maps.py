"""Pascal VOC, and CVAT's "segmentation mask 1.1": images whose colours are classes and objects.

Up to 254 classes the class map has a palette, so that its numbers are classes too, as in VOC; `labelmap.txt`
says which colour is which class. Beyond that it is an image of colours. Object maps have VOC's colours, so
254 objects at most; of more, the largest are in it, and all in the class map and among VOC's boxes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from radseg.colours import NONE_COLOUR, Colour
from radseg.io.encode import image_bytes
from radseg.io.formats.dataset import (
    BACKGROUND,
    SUBSET,
    DatasetFile,
    Format,
    LabelledImage,
    Part,
    distinct_colours,
    require_line_names,
    with_text,
    xml_bytes,
)

PALETTE = 256
MAX_OBJECTS = 254  # 255 is what VOC does not judge
TABLE = "labelmap.txt"


def cvat_masks(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield class and object maps, the list of images, and the table of colours.

    Raises:
        InputError: a class name holds a colon or begins with "#".
    """
    return _data_set(images, names, ("Segmentation",), lambda _: ())


def voc(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield what `cvat_masks` does, and an XML an image with the boxes of its parts.

    Raises:
        InputError: a class name holds a colon or begins with "#".
    """

    def boxes(image: LabelledImage) -> Iterable[DatasetFile]:
        yield f"Annotations/{image.stem}.xml", [_annotation(image)]

    return _data_set(images, names, ("Segmentation", "Main"), boxes)


def _data_set(
    images: Iterable[LabelledImage],
    names: Sequence[str],
    tasks: Sequence[str],
    beside: Callable[[LabelledImage], Iterable[DatasetFile]],
) -> Iterator[DatasetFile]:
    colours = distinct_colours(names)
    yield TABLE, [_table(names, colours)]
    listed = []
    for image in images:
        listed.append(image.stem)
        yield from _maps(image, colours)
        yield from beside(image)
    for task in tasks:
        yield f"ImageSets/{task}/{SUBSET}.txt", _list(listed)


def _table(names: Sequence[str], colours: Sequence[Colour]) -> bytes:
    require_line_names(names, ":", TABLE)
    lines = [f"{name}:{','.join(map(str, colour))}::\n" for name, colour in zip(names, colours, strict=True)]
    if NONE_COLOUR not in colours:
        lines.insert(0, f"{BACKGROUND}:0,0,0::\n")
    return b"# label:color_rgb:parts:actions\n" + "".join(lines).encode()


def _list(stems: Sequence[str]) -> Iterator[bytes]:
    return (f"{stem}\n".encode() for stem in stems)


def _maps(image: LabelledImage, colours: Sequence[Colour]) -> Iterator[DatasetFile]:
    table = np.array([NONE_COLOUR, *colours], np.uint8)
    classes = image.class_map(len(colours))
    yield f"SegmentationClass/{image.stem}.png", [coloured_png_bytes(classes, table)]
    objects = _numbers_of_largest(image)
    yield f"SegmentationObject/{image.stem}.png", [coloured_png_bytes(objects, voc_colours(MAX_OBJECTS))]


def _numbers_of_largest(image: LabelledImage) -> np.ndarray[Any, Any]:
    """Return the object map: of more parts than it can tell apart, the largest."""
    numbers = np.zeros(len(image.parts) + 1, np.uint8)
    largest = sorted(range(len(image.parts)), key=lambda part: -image.parts[part].area)[:MAX_OBJECTS]
    numbers[np.array(sorted(largest), int) + 1] = np.arange(1, len(largest) + 1)
    return numbers[image.numbers()]


def coloured_png_bytes(numbers: np.ndarray[Any, Any], table: UInt8[np.ndarray, "n 3"]) -> bytes:
    """Return a PNG that shows number n in colour n: with a palette up to 254, else as an image of colours."""
    if len(table) > PALETTE - 1:  # number 255 of a palette is what VOC does not judge
        return image_bytes(Image.fromarray(table[numbers]))
    indexed = Image.fromarray(numbers.astype(np.uint8))
    indexed.putpalette(np.pad(table, ((0, PALETTE - len(table)), (0, 0)), constant_values=224).tobytes())
    return image_bytes(indexed)


def voc_colours(last: int) -> UInt8[np.ndarray, "n 3"]:
    """Return VOC's colours of the numbers from 0 to `last`: the bits of a number by turns, highest first."""
    numbers = np.arange(last + 1)
    colours = np.zeros((last + 1, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = numbers >> (3 * place + channel) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours


def _annotation(image: LabelledImage) -> bytes:
    height, width = image.size
    root = Xml.Element("annotation")
    with_text(root, "folder", PurePosixPath(image.name).parent.as_posix())
    with_text(root, "filename", image.name)
    size = Xml.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        with_text(size, tag, value)
    with_text(root, "segmented", 1)
    for part in image.parts:
        root.append(_object(part))
    return xml_bytes(root)


def _object(part: Part) -> Xml.Element:
    element = Xml.Element("object")
    with_text(element, "name", part.name)
    with_text(element, "pose", "Unspecified")
    for tag in ("truncated", "difficult", "occluded"):
        with_text(element, tag, 0)
    box = Xml.SubElement(element, "bndbox")
    x0, y0, x1, y1 = part.box
    # VOC counts pixels from 1 and means the last one that belongs.
    for tag, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
        with_text(box, tag, value)
    return element


VOC = Format(voc, "JPEGImages/{}".format, by_stem=True)
CVAT_MASKS = Format(cvat_masks, "images/{}".format, by_stem=True)
