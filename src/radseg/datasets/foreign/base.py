"""What every reader of another tool's data set gives, and the limits of what is believed.

A foreign file may hold anything: sizes and numbers are checked before memory is asked for, names may not lead
out of the folder, and links are not followed.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool

from radseg.datasets.base import IGNORE, Truth
from radseg.errors import ImageError, InputError, MissingFileError
from radseg.extras import require
from radseg.files import bytes_of, listed, shortened, shown
from radseg.ops.run_lengths import of_run_lengths

MAX_DOCUMENT = 2**28
"""Bytes of the largest JSON or XML that is read; in memory it takes some ten times as much."""
MAX_CORNERS = 100_000
MAX_CLASSES = 65_534
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})

Size = tuple[int, int]
"""Height and width in pixels."""
Mask = Bool[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class ForeignImage:
    """One image and how its labels are made.

    Attributes:
        name: its path as the data set has it, with forward slashes.
        file: where it lies, if the format says so; None where it is to be found by its name.
        truth: makes the truth for an image of this size: class index from 0, or IGNORE where none is said.
            Raises ImageError or ValueError for what is wrong with this one.
    """

    name: str
    truth: Callable[[Size], Truth]
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class ForeignSet:
    """A data set of another tool.

    Attributes:
        names: its classes; index i is class i of the truths.
        images: its images, one by one.
        places: folders that may hold the images, best first.
        left_out: annotations that say nothing about pixels, such as boxes, by what they are.
    """

    names: tuple[str, ...]
    images: Iterable[ForeignImage]
    places: tuple[Path, ...]
    left_out: Counter[str] = field(default_factory=Counter)


def painted(masks: Sequence[tuple[int, Callable[[], Mask]]], size: Size) -> Truth:
    """Return the truth of masks that may overlap: the smaller lies on the larger."""
    areas = [int(make().sum()) for _, make in masks]
    order = sorted(range(len(masks)), key=lambda number: -areas[number])
    return painted_in_order([masks[number] for number in order], size)


def painted_in_order(masks: Iterable[tuple[int, Callable[[], Mask]]], size: Size) -> Truth:
    """Return the truth of masks of which a later one lies on an earlier one."""
    truth = np.full(size, IGNORE, np.uint16)
    for index, make in masks:
        truth[make()] = index
    return truth


def polygon_mask(polygons: Sequence[Sequence[float]], size: Size) -> Mask:
    """Return the pixels of polygons, of corners x, y, x, y, … between pixels, as pycocotools fills them.

    Raises:
        ValueError: too few or too many corners, or one far from the image.
        MissingExtraError: pycocotools is not installed.
    """
    codec = require("pycocotools.mask", "coco")
    checked = [checked_corners(one, size) for one in polygons]
    if not checked:
        raise ValueError("no polygon")
    mask: Mask = codec.decode(codec.merge(codec.frPyObjects(checked, *size))).astype(bool)
    return mask


def checked_corners(corners: Sequence[float], size: Size) -> list[float]:
    """Return the numbers of a polygon.

    Raises:
        ValueError: fewer than three corners, more than MAX_CORNERS, or one farther from the image than it is
            large: libraries that fill polygons take memory by the length of their edges.
    """
    numbers = [float(number) for number in corners]
    if len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MAX_CORNERS:
        raise ValueError(
            f"a polygon of {len(numbers)} numbers; there must be two for each of 3 or more corners"
        )
    limit = max(size)
    if not all(math.isfinite(number) and -limit <= number <= 2 * limit for number in numbers):
        raise ValueError("a polygon whose corners lie far outside the image")
    return numbers


def run_length_mask(counts: Sequence[int], size: Size) -> Mask:
    """Return the mask of COCO's run lengths, which go down the columns.

    Raises:
        ValueError: they are not of this size.
    """
    height, width = size
    return of_run_lengths(counts, height * width).reshape(width, height).T


def class_names(names: Iterable[Any], source: Path) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        InputError: none, too many, not text, or one twice.
    """
    found = tuple(names)
    if not found or len(found) > MAX_CLASSES:
        raise InputError(f"{shown(source)} names {len(found):,} classes; 1 to {MAX_CLASSES:,} are read.")
    for name in found:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{shown(source)} names the class {shortened(repr(name), 40)}; a name is text.")
    if len(set(found)) < len(found):
        twice = [name for name, count in Counter(found).items() if count > 1]
        raise InputError(
            f"{shown(source)} names {listed(twice, 3)} more than once; every class needs its own."
        )
    return found


def document_of(source: Path, folders: Sequence[str], patterns: Sequence[str]) -> Path:
    """Return the file of annotations: the source itself, or the only one in its folders.

    Raises:
        MissingFileError: there is none.
        InputError: there are several; the message lists them.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise MissingFileError(f"There is no file or folder {shown(source)}.")
    for pattern in patterns:
        found = sorted(path for folder in folders for path in (source / folder).glob(pattern))
        if len(found) > 1:
            names = listed((path.relative_to(source).as_posix() for path in found), 4)
            raise InputError(
                f"{shown(source)} holds several files of annotations, {names}; name one of them."
            )
        if found:
            return found[0]
    raise MissingFileError(
        f"{shown(source)} holds no file of annotations ({', '.join(patterns)}); name the file itself."
    )


def document_bytes(path: Path) -> bytes:
    """Return a file of annotations.

    Raises:
        InputError: it is no regular file, or larger than MAX_DOCUMENT.
        MissingFileError: it is not there.
    """
    try:
        return bytes_of(path, most=MAX_DOCUMENT)
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no file {shown(path)}.") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or error}.") from error


def below(folder: Path, name: str) -> Path:
    """Return `folder/name`.

    Raises:
        ImageError: the name leads out of the folder, or a link does.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name or not relative.parts:
        raise ImageError(f"The name {shortened(name, 80)!r} leads out of the folder of the images.")
    path = folder
    for part in relative.parts:
        path = path / part
        if path.is_symlink():
            raise ImageError(f"{shown(path)} is a link; put the file itself there.")
    return path


def number_of(value: Any, known: Mapping[int, int]) -> int:
    """Return the class index of an id; ValueError where there is none."""
    if type(value) is not int or value not in known:
        raise ValueError(f"the class {shortened(repr(value), 40)}, which the data set does not name")
    return known[value]


def visible(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in order, without hidden ones and links."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path
