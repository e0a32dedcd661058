"""What other tools read: COCO JSON, supervision, the transformers pipelines, and the NPZ that loads back.

Every export works from the same values, one `ClassMask` per name that is present in the image.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from radseg.colours import colours, hex_colour
from radseg.errors import MissingExtraError

CLASSES_FORMAT = "radseg-classes/1"
NPZ_FORMAT = "radseg-result/1"


@dataclass(frozen=True, eq=False)
class ClassMask:
    """Where one name is, at full size.

    Attributes:
        label: its value in the label map, from 1.
        mask: true where it is; at least one pixel.
        score: mean probability of the name over its mask, 0 to 1.
    """

    label: int
    name: str
    mask: Bool[np.ndarray, "H W"]
    score: float


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


def supervision_detections(masks: Iterator[ClassMask], size: tuple[int, int]) -> Any:
    """Return supervision.Detections, one per name that is present; `class_id` is the value in the label map.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    library = require("supervision", "supervision")
    present = list(masks)
    stack = np.array([one.mask for one in present], dtype=bool).reshape(len(present), *size)
    return library.Detections(
        xyxy=np.array([_box(one.mask) for one in present], dtype=np.float32).reshape(-1, 4),
        mask=stack,
        confidence=np.array([one.score for one in present], dtype=np.float32),
        class_id=np.array([one.label for one in present], dtype=int),
        data={"class_name": np.array([one.name for one in present], dtype=str)},
    )


def pipeline_entries(masks: Iterator[ClassMask]) -> list[dict[str, Any]]:
    """Return label, score and mask (PIL, 0 or 255), as the transformers "image-segmentation" pipeline."""
    return [
        {"score": one.score, "label": one.name, "mask": Image.fromarray(one.mask.astype(np.uint8) * 255)}
        for one in masks
    ]


def segments_info(masks: Iterator[ClassMask]) -> list[dict[str, Any]]:
    """Return one entry per present name as transformers' `post_process_panoptic_segmentation` does."""
    return [
        {"id": one.label, "label_id": one.label, "label": one.name, "was_fused": False, "score": one.score}
        for one in masks
    ]


def classes_json(
    names: Sequence[str],
    areas: Mapping[str, float],
    *,
    ignore: int,
    presence: Sequence[float] | None,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what `classes.json` holds: the meaning of every value of the label map, and how it was made."""
    classes: list[dict[str, Any]] = [
        {"id": label, "name": name, "colour": hex_colour(colour), "area": round(areas[name], 6)}
        for label, (name, colour) in enumerate(zip(names, colours(names), strict=True), start=1)
    ]
    if presence is not None:
        for entry, value in zip(classes, presence, strict=True):
            entry["presence"] = round(float(value), 6)
    return {"format": CLASSES_FORMAT, "none": 0, "ignore": ignore, "classes": classes, **details}


def json_bytes(value: Any) -> bytes:
    """Return UTF-8 JSON, indented, ending in a newline; NumPy and torch numbers become plain ones."""
    return (json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n").encode("utf-8", "replace")


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], details: Mapping[str, Any]) -> bytes:
    """Return a compressed NPZ of plain arrays, and `details` as JSON text in the array "details"."""
    text = np.frombuffer(json_bytes({"format": NPZ_FORMAT, **details}), np.uint8)
    buffer = io.BytesIO()
    content: dict[str, Any] = {**arrays, "details": text}
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


def require(module: str, extra: str) -> Any:
    """Import and return an optional library.

    Raises:
        MissingExtraError: it is not installed; the message holds the pip line.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"This needs {package}, which is not installed. Install it: pip install 'radseg[{extra}]'"
        ) from error


def _box(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels; the last two are the last column and row, as in supervision."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
