"""YOLO segmentation: data.yaml, and a text file of polygons an image, filled as Ultralytics fills them."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from radseg.datasets.base import Truth
from radseg.datasets.foreign.base import (
    IMAGE_SUFFIXES,
    ForeignImage,
    ForeignSet,
    Mask,
    Size,
    checked_corners,
    class_names,
    document_of,
    number_of,
    painted,
    visible,
)
from radseg.errors import InputError, MissingFileError
from radseg.extras import require
from radseg.files import bytes_of, lines_of, shown, text_of

IMAGES, LABELS = "images", "labels"
MAX_YAML = 2**20


def open_yolo(source: Path) -> ForeignSet:
    """Return the data set of a data.yaml, or of the folder that holds one.

    Labels lie in folders `labels` beside folders `images`.

    Raises:
        InputError: data.yaml names no classes, or there are no images.
        MissingFileError: there is no data.yaml.
        MissingExtraError: OpenCV is not installed.
    """
    require("cv2", "yolo")
    document = document_of(source, (".",), ("data.yaml", "*.yaml", "*.yml"))
    names = class_names(_names(document), document)
    root, left_out = document.parent, Counter[str]()
    folders = sorted(path for path in root.rglob(LABELS) if path.is_dir() and not path.is_symlink())
    if not folders:
        raise MissingFileError(f"{shown(root)} holds no folder {LABELS} beside a folder {IMAGES}.")
    return ForeignSet(names, _images(root, folders, len(names), left_out), (root,), left_out)


def _names(document: Path) -> list[Any]:
    try:
        names = yaml.safe_load(bytes_of(document, most=MAX_YAML))["names"]
        return [names[number] for number in range(len(names))]  # a list, or a mapping of numbers
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(document)} is no data.yaml with `names`: {error!r}.") from error


def _images(root: Path, folders: list[Path], classes: int, left_out: Counter[str]) -> Iterator[ForeignImage]:
    for labels in folders:
        images = labels.parent / IMAGES
        for path in visible(images):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                inner = path.relative_to(images)
                name = (labels.parent.relative_to(root) / inner).as_posix()
                text = (labels / inner).with_suffix(".txt")
                yield ForeignImage(name, partial(_truth, text, classes, left_out), path)


def _truth(path: Path, classes: int, left_out: Counter[str], size: Size) -> Truth:
    masks: list[tuple[int, Callable[[], Mask]]] = []
    if path.is_symlink():
        raise ValueError(f"{shown(path)}, which is a link")
    known = {number: number for number in range(classes)}
    for line in lines_of(text_of(bytes_of(path))) if path.exists() else ():
        number, *corners = line.split() or [""]
        if not corners:
            continue
        if len(corners) < 6:
            left_out["box"] += 1
            continue
        index = number_of(int(number), known)
        masks.append((index, partial(_filled, [float(one) for one in corners], size)))
    return painted(masks, size)


def _filled(corners: list[float], size: Size) -> Mask:
    height, width = size
    scaled = [number * (width, height)[place % 2] for place, number in enumerate(corners)]
    ring = np.array(checked_corners(scaled, size)).reshape(-1, 2).astype(np.int32)  # cut as Ultralytics does
    mask = np.zeros(size, np.uint8)
    require("cv2", "yolo").fillPoly(mask, [ring], 1)
    return mask.astype(bool)
