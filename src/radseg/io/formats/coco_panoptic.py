"""COCO panoptic: a PNG an image whose colours are ids, R + 256 G + 256² B, and a JSON that explains them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from radseg.io.encode import image_bytes
from radseg.io.formats.coco_dataset import image_entry
from radseg.io.formats.dataset import SUBSET, DatasetFile, Format, JsonList, LabelledImage, json_line

FOLDER = f"annotations/panoptic_{SUBSET}"


def coco_panoptic(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[DatasetFile]:
    """Yield a PNG an image, and the JSON; ids count from 1 in each image, 0 is void.

    A category is stuff (`isthing` 0) where a part in the data set is.
    """
    entries, annotations, stuff = JsonList(), JsonList(), set[int]()
    for image_id, image in enumerate(images, start=1):
        entries.add(image_entry(image, image_id))
        file_name = f"{image.stem}.png"
        segments = [_segment(image, number) for number in range(1, len(image.parts) + 1)]
        annotations.add({"image_id": image_id, "file_name": file_name, "segments_info": segments})
        stuff.update(part.label for part in image.parts if part.stuff)
        yield f"{FOLDER}/{file_name}", [id_png_bytes(image)]
    categories = [
        {"id": label, "name": name, "supercategory": "", "isthing": int(label not in stuff)}
        for label, name in enumerate(names, start=1)
    ]
    yield f"{FOLDER}.json", _pieces(categories, annotations, entries)


def id_png_bytes(image: LabelledImage) -> bytes:
    """Return the numbers of the parts as a PNG of colours, the lowest 8 bits in red."""
    numbers = image.numbers()
    colours = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=-1).astype(np.uint8)
    return image_bytes(Image.fromarray(colours))


def _segment(image: LabelledImage, number: int) -> dict[str, Any]:
    part = image.parts[number - 1]
    x0, y0, x1, y1 = part.box
    return {
        "id": number,
        "category_id": part.label,
        "area": part.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }


def _pieces(categories: list[dict[str, Any]], annotations: JsonList, entries: JsonList) -> Iterator[bytes]:
    yield b'{"info":' + json_line({"description": "radseg", "version": "1"})
    yield b',\n"licenses":[],\n"categories":' + json_line(categories) + b',\n"annotations":'
    yield from annotations.pieces()
    yield b',\n"images":'
    yield from entries.pieces()
    yield b"}\n"


COCO_PANOPTIC = Format(coco_panoptic, "images/{}".format, by_stem=True)
