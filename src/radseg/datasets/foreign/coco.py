"""COCO instances: polygons and run lengths, crowds too. Boxes alone say nothing of pixels."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from radseg.datasets.base import Truth
from radseg.datasets.foreign.base import (
    ForeignImage,
    ForeignSet,
    Mask,
    Size,
    class_names,
    document_bytes,
    document_of,
    number_of,
    painted,
    polygon_mask,
    run_length_mask,
)
from radseg.errors import InputError
from radseg.files import json_of, shown

FOLDERS = ("annotations", ".")
PATTERNS = ("instances_*.json", "*.json")


def open_coco(source: Path) -> ForeignSet:
    """Return the data set of a JSON, or of the folder that holds one.

    Raises:
        InputError: it is no COCO instances; see also `document_of`.
        MissingFileError: see `document_of`.
    """
    document = document_of(source, FOLDERS, PATTERNS)
    left_out = Counter[str]()
    try:
        content = json_of(document_bytes(document))
        categories = sorted(content["categories"], key=lambda one: int(one["id"]))
        names = class_names((one["name"] for one in categories), document)
        index_of = {int(one["id"]): index for index, one in enumerate(categories)}
        annotations: dict[int, list[Any]] = {int(one["id"]): [] for one in content["images"]}
        for one in content["annotations"]:
            if one.get("segmentation"):
                annotations[int(one["image_id"])].append(one)
            else:
                left_out["box"] += 1
        images = [(str(one["file_name"]), annotations[int(one["id"])]) for one in content["images"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(document)} is no JSON of COCO instances: {error!r}.") from error
    root = document.parent.parent if document.parent.name == "annotations" else document.parent
    subset = document.stem.partition("_")[2]
    places = (root / "images" / subset, root / "images", root / subset, root / "data", root)
    return ForeignSet(names, _images(images, index_of), places, left_out)


def _images(images: list[tuple[str, list[Any]]], index_of: Mapping[int, int]) -> Iterator[ForeignImage]:
    for name, annotations in images:
        yield ForeignImage(name, partial(_truth, annotations, index_of))


def _truth(annotations: list[Any], index_of: Mapping[int, int], size: Size) -> Truth:
    masks: list[tuple[int, Callable[[], Mask]]] = [
        (number_of(one.get("category_id"), index_of), partial(_mask, one["segmentation"], size))
        for one in annotations
    ]
    return painted(masks, size)


def _mask(segmentation: Any, size: Size) -> Mask:
    if isinstance(segmentation, list):
        return polygon_mask(segmentation, size)
    if not isinstance(segmentation, dict) or list(segmentation.get("size", ())) != list(size):
        raise ValueError("a mask of another size than the image's")
    counts = segmentation.get("counts")
    return run_length_mask(decompressed(counts) if isinstance(counts, str) else counts or [], size)


def decompressed(text: str) -> list[int]:
    """Return the run lengths in COCO's compressed text: 5 bits a letter, from the third on as differences.

    Raises:
        ValueError: another letter, or it ends inside a number.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 50:
            raise ValueError("run lengths that are none")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("run lengths that are cut short")
    return counts
