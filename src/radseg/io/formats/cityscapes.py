"""Cityscapes-like indexed PNGs: classes, objects and colours of an image, in its folders, with its endings.

Classes are the numbers of the label map, from 1, in place of the 34 of Cityscapes; 0 is unlabelled.
`dataset_meta.json`, which Datumaro reads, names them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt16
from PIL import Image

from radseg.colours import NONE_COLOUR
from radseg.io.encode import image_bytes
from radseg.io.formats.classes import json_bytes
from radseg.io.formats.dataset import (
    SUBSET,
    DatasetFile,
    Format,
    LabelledImage,
    distinct_colours,
)

UNLABELLED = "unlabeled"
OBJECTS_A_CLASS = 1000
MAX_VALUE = 65535  # a PNG has 16 bits at most


def cityscapes(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield three PNGs an image, and what the numbers mean.

    `_labelIds` is the class, 8 bits up to 254 classes, else 16. `_instanceIds` has 16 bits: 1000 times the
    class and the number of the object among its class, from 0. For stuff it is the class alone, and, as
    Cityscapes does for groups, where that number does not fit. `_color` shows the classes.
    """
    colours = np.array([NONE_COLOUR, *distinct_colours(names)], np.uint8)
    yield "dataset_meta.json", [json_bytes(_meta(names, colours))]
    for image in images:
        start = f"gtFine/{SUBSET}/{image.stem}_gtFine"
        classes = image.class_map(len(names))
        yield f"{start}_labelIds.png", [image_bytes(Image.fromarray(classes))]
        yield f"{start}_instanceIds.png", [image_bytes(Image.fromarray(instance_ids(image)))]
        yield f"{start}_color.png", [image_bytes(Image.fromarray(colours[classes]))]


def instance_ids(image: LabelledImage) -> UInt16[np.ndarray, "H W"]:
    """Return Cityscapes' numbers of objects; see `cityscapes`."""
    values, counts = [0], dict[int, int]()
    for part in image.parts:
        count = counts.setdefault(part.label, 0)
        counts[part.label] += 1
        value = part.label * OBJECTS_A_CLASS + count
        fits = count < OBJECTS_A_CLASS and value <= MAX_VALUE and not part.stuff
        values.append(value if fits else part.label)
    return np.array(values, np.uint16)[image.numbers()]


def _meta(names: Sequence[str], colours: np.ndarray[Any, Any]) -> dict[str, Any]:
    every = (UNLABELLED, *names)
    return {
        "labels": every,
        "label_map": {str(number): name for number, name in enumerate(every)},
        "segmentation_colors": colours.tolist(),
        "background_label": "0",
    }


def image_path(name: str) -> str:
    """Return where an image lies: `leftImg8bit/default/street_leftImg8bit.jpg`."""
    stem, dot, ending = name.rpartition(".")
    return f"leftImg8bit/{SUBSET}/{stem}_leftImg8bit{dot}{ending}"


CITYSCAPES = Format(cityscapes, image_path, by_stem=True)
