"""The objects of a ScanNet scan for its benchmark of 200 classes (Rozenberszki et al., arXiv 2204.07761).

Beside the scan's frames: `NAME.aggregation.json` (which segments an object has, and its raw category),
`NAME_vh_clean_2.0.010000.segs.json` (the segment of every vertex), `NAME_vh_clean_2.ply` (the vertices).
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from radseg.datasets.rgbd.files import read_text
from radseg.datasets.rgbd.scannet import LABEL_TABLE
from radseg.errors import InputError, MissingFileError
from radseg.extras import require
from radseg.files import bytes_of, json_of, shown
from radseg.types import Segments, ShortRepr

STUFF = ("wall", "floor")
"""Classes that the benchmark of objects leaves out."""
SMALLEST = 100
"""Vertices below which the benchmark does not judge an object."""


@dataclass(frozen=True, eq=False, repr=False)
class LabelledPoints(ShortRepr):
    """Points of a scan and what they belong to.

    Attributes:
        points: metres.
        segments: on the points; class i is name i of `scannet200_names`.
    """

    points: Float64[np.ndarray, "n 3"]
    segments: Segments


def scannet200_names() -> tuple[str, ...]:
    """Return the 200 classes in the benchmark's order."""
    return tuple(name for _, name in _classes())


def scannet200_categories(root: Path) -> Mapping[str, int]:
    """Return the class of every raw category that has one; from the table of labels under `root`.

    Raises:
        InputError: no table, or one without the columns id and raw_category.
    """
    file = root / LABEL_TABLE
    index = {number: place for place, (number, _) in enumerate(_classes())}
    try:
        rows = csv.DictReader(io.StringIO(read_text(file)), delimiter="\t")
        numbers = {str(row["raw_category"]): int(row["id"]) for row in rows}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} needs the columns id and raw_category: {error!r}.") from error
    return {raw: index[number] for raw, number in numbers.items() if number in index}


def read_scannet_objects(scan: Path, categories: Mapping[str, int]) -> LabelledPoints:
    """Return the vertices of a scan with its objects; those of no class, and vertices of none, are void.

    An object of fewer than `SMALLEST` vertices is a crowd: not judged. Walls and floors are one segment each.

    Args:
        scan: folder of the scan, named as it.
        categories: see `scannet200_categories`.

    Raises:
        MissingFileError: a file is missing.
        InputError: files that do not go together, or are none of ScanNet's.
        MissingExtraError: trimesh, which reads PLY, is not installed.
    """
    numbers = _numbers(scan / f"{scan.name}_vh_clean_2.0.010000.segs.json")
    points = _vertices(scan / f"{scan.name}_vh_clean_2.ply")
    if len(points) != len(numbers):
        raise InputError(f"{scan.name} has {len(points)} vertices, but segments of {len(numbers)}.")
    file = scan / f"{scan.name}.aggregation.json"
    names, ids = scannet200_names(), np.zeros(len(numbers), np.int64)
    labels: list[int] = []
    surfaces: dict[int, int] = {}
    try:
        for group in _json(file)["segGroups"]:
            label = categories.get(str(group["label"]))
            if label is None:
                continue
            number = surfaces.get(label, len(labels) + 1)
            if names[label] in STUFF:
                surfaces[label] = number
            if number > len(labels):
                labels.append(label)
            ids[np.isin(numbers, np.array(group["segments"], np.int64))] = number
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} is no aggregation of ScanNet: {error!r}.") from error
    sizes = np.bincount(ids, minlength=len(labels) + 1)[1:]
    things = np.array([names[label] not in STUFF for label in labels], np.bool_)
    return LabelledPoints(points, Segments(ids, np.array(labels, np.int64), (sizes < SMALLEST) & things))


def _classes() -> list[tuple[int, str]]:
    """Return number in the table of labels and name of every class."""
    text = (files("radseg.datasets") / "names" / "scannet200.txt").read_text("utf-8")
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return [(int(number), name) for number, name in pairs]


def _numbers(file: Path) -> Int64[np.ndarray, " n"]:
    try:
        return np.array(_json(file)["segIndices"], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} holds no segIndices of ScanNet: {error!r}.") from error


def _vertices(file: Path) -> Float64[np.ndarray, "n 3"]:
    trimesh = require("trimesh", "mesh")
    content = io.BytesIO(_bytes(file))
    try:
        mesh = trimesh.load(content, file_type="ply", process=False)
        return np.asarray(mesh.vertices, np.float64).reshape(-1, 3)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged or foreign file provokes in the library
        raise InputError(f"{shown(file)} is no PLY: {' '.join(str(error).split())[:160]}.") from error


def _json(file: Path) -> Any:
    return json_of(_bytes(file))


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise MissingFileError(f"There is no file {shown(file)}; ScanNet's download has it beside the scan.")
    return bytes_of(file)
