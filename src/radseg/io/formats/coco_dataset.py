"""COCO instances, and the layouts of it that FiftyOne and supervision read: one JSON, one annotation a mask.

Masks are run lengths that are not compressed: exact, and what pycocotools, supervision, Datumaro and FiftyOne
read alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from radseg.io.formats.dataset import (
    SUBSET,
    DatasetFile,
    Format,
    JsonList,
    LabelledImage,
    Part,
    json_line,
)


def coco_dataset(
    images: Iterable[LabelledImage], names: Sequence[str], *, path: str
) -> Iterator[DatasetFile]:
    """Yield the one file of a data set in COCO's form, `path`; `file_name` is below the folder of the images.

    `category_id` is the value in the label map, from 1; `iscrowd` is 0 throughout.
    """
    yield path, _pieces(images, names)


def _pieces(images: Iterable[LabelledImage], names: Sequence[str]) -> Iterator[bytes]:
    categories = [
        {"id": label, "name": name, "supercategory": ""} for label, name in enumerate(names, start=1)
    ]
    yield b'{"info":' + json_line({"description": "radseg", "version": "1"})
    yield b',\n"licenses":[],\n"categories":' + json_line(categories) + b',\n"annotations":[\n'
    entries, count, separator = JsonList(), 0, b""
    for image_id, image in enumerate(images, start=1):
        entries.add(image_entry(image, image_id))
        for part in image.parts:
            count += 1
            annotation = {"id": count, "image_id": image_id, **_annotation(part, image)}
            yield separator + json_line(annotation)
            separator = b",\n"
    yield b'\n],\n"images":'
    yield from entries.pieces()
    yield b"}\n"


def image_entry(image: LabelledImage, image_id: int) -> dict[str, Any]:
    """Return what COCO says about an image."""
    height, width = image.size
    return {"id": image_id, "file_name": image.name, "height": height, "width": width}


def _annotation(part: Part, image: LabelledImage) -> dict[str, Any]:
    x0, y0, x1, y1 = part.box
    return {
        "category_id": part.label,
        "segmentation": {"size": list(image.size), "counts": part.run_lengths()},
        "area": part.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
        **({"score": part.score} if image.has_scores else {}),
    }


COCO = Format(partial(coco_dataset, path=f"annotations/instances_{SUBSET}.json"), "images/{}".format)
"""As COCO itself and CVAT lay it out, and Datumaro finds it."""

FIFTYONE = Format(partial(coco_dataset, path="labels.json"), "data/{}".format)
"""FiftyOne's COCODetectionDataset."""

SUPERVISION = Format(partial(coco_dataset, path="_annotations.coco.json"), str)
"""Roboflow's folder, for supervision's `DetectionDataset.from_coco`: it counts classes from 0."""
