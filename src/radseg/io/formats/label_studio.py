"""Label Studio: tasks whose predictions are brush masks in its own run lengths, and the interface for them.

Not COCO's: a stream of bits of @thi.ng/rle-pack, over red, green, blue and alpha of every pixel, of which
alpha is the mask.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import numpy as np
from jaxtyping import Bool

from radseg.colours import hex_colour
from radseg.io.formats.dataset import (
    DatasetFile,
    Format,
    LabelledImage,
    Part,
    distinct_colours,
    json_line,
    xml_bytes,
)
from radseg.ops.run_lengths import run_lengths

WORD_BITS = 8
RUN_BITS = (3, 4, 8, 16)
"""Bits that a run's length may have: Label Studio's own choice."""
CHANNELS = 4
FROM, TO = "masks", "image"
"""Names of the tags in the interface, by which results find them."""


def label_studio(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield the interface, `interface.xml`, and `tasks.json`.

    Images are named as local files (`/data/local-files/?d=`) below Label Studio's document root.
    """
    yield "interface.xml", [_interface(names)]
    yield "tasks.json", _pieces(images)


def _pieces(images: Iterable[LabelledImage]) -> Iterator[bytes]:
    separator = b"[\n"
    for image in images:
        yield separator + json_line(_task(image))
        separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


def _task(image: LabelledImage) -> dict[str, Any]:
    scores = [part.score for part in image.parts] if image.has_scores else []
    prediction = {
        "model_version": "radseg",
        **({"score": sum(scores) / len(scores)} if scores else {}),
        "result": [_result(image, part, number) for number, part in enumerate(image.parts, start=1)],
    }
    return {"data": {"image": f"/data/local-files/?d={quote(image.name)}"}, "predictions": [prediction]}


def _result(image: LabelledImage, part: Part, number: int) -> dict[str, Any]:
    height, width = image.size
    x0, y0, x1, y1 = part.box
    mask = np.zeros(image.size, bool)
    mask[y0:y1, x0:x1] = part.crop
    return {
        "id": f"part{number}",
        "type": "brushlabels",
        "from_name": FROM,
        "to_name": TO,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(packed(mask)), "brushlabels": [part.name]},
        **({"score": part.score} if image.has_scores else {}),
    }


def packed(mask: Bool[np.ndarray, "H W"]) -> bytes:
    """Return a mask as Label Studio packs it: 255 in all four channels where it is true, else 0.

    32 bits for the number of values, 5 for the bits of a value less 1, four times 4 for the bits of the four
    kinds of lengths less 1; then every run: a 1, 2 bits for the kind, its length less 1, the value.
    """
    bits = [f"{mask.size * CHANNELS:032b}{WORD_BITS - 1:05b}", *(f"{size - 1:04b}" for size in RUN_BITS)]
    for number, count in enumerate(run_lengths(mask.ravel())):
        value = f"{number % 2 * 255:0{WORD_BITS}b}"
        bits += [
            f"1{kind:02b}{length - 1:0{RUN_BITS[kind]}b}{value}" for kind, length in _runs(count * CHANNELS)
        ]
    text = "".join(bits)
    return int(text.ljust(-len(text) % 8 + len(text), "0"), 2).to_bytes(-(-len(text) // 8))


def _runs(length: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces of a run: kind and length, each the shortest kind that holds it."""
    longest = 2 ** RUN_BITS[-1]
    while length > 0:
        piece = min(length, longest)
        yield next(kind for kind, size in enumerate(RUN_BITS) if piece <= 2**size), piece
        length -= piece


def _interface(names: Sequence[str]) -> bytes:
    view = Xml.Element("View")
    Xml.SubElement(view, "Image", name=TO, value="$image", zoom="true")
    labels = Xml.SubElement(view, "BrushLabels", name=FROM, toName=TO)
    for name, colour in zip(names, distinct_colours(names), strict=True):
        Xml.SubElement(labels, "Label", value=name, background=hex_colour(colour))
    return xml_bytes(view)


LABEL_STUDIO = Format(label_studio, "images/{}".format)
