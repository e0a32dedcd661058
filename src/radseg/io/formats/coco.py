"""COCO JSON with run-length masks (pycocotools)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from radseg.extras import require
from radseg.io.formats.masks import ClassMask


def coco(
    masks: Iterator[ClassMask], names: Sequence[str], size: tuple[int, int], *, image_id: int, file_name: str
) -> dict[str, Any]:
    """Return a COCO data set of one image: one annotation with a compressed RLE per name that is present.

    `category_id` is the value in the label map; boxes are x, y, width, height in pixels; `score` as in
    ClassMask.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    codec = require("pycocotools.mask", "coco")
    annotations = []
    for number, one in enumerate(masks, start=1):
        run_lengths = codec.encode(np.asfortranarray(one.mask.view(np.uint8)))
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": one.label,
                "segmentation": {"size": list(size), "counts": run_lengths["counts"].decode("ascii")},
                "area": int(codec.area(run_lengths)),
                "bbox": [float(side) for side in codec.toBbox(run_lengths)],
                "iscrowd": 0,
                "score": one.score,
            }
        )
    height, width = size
    return {
        "info": {"description": "radseg", "version": "1"},
        "images": [{"id": image_id, "file_name": file_name, "height": height, "width": width}],
        "categories": [{"id": label, "name": name} for label, name in enumerate(names, start=1)],
        "annotations": annotations,
    }
