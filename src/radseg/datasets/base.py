"""What all readers of labelled images share: items, label codes, reading one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Int, Integer, UInt8

from radseg.errors import ImageError, MissingFileError, ResourceError
from radseg.files import shown
from radseg.io import read_label_map, read_pixels, stored_size
from radseg.types import Segments, Size

IGNORE = 65535
"""Truth that is not judged, in memory; in 8-bit label files it is mostly 255."""

NO_CLASS = 65534
"""In a lookup: a file value that must not occur."""

Truth = Integer[np.ndarray, "H W"]
"""Class index from 0 per pixel, or IGNORE."""


@dataclass(frozen=True)
class Item:
    """One image of a set with its label file.

    Attributes:
        trouble: why it is not known which file holds the labels: none, or several.
    """

    id: str
    image: Path
    labels: Path
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Example:
    """One image in memory, with its truth at its own size.

    Attributes:
        segments: its objects and stuff; None where the set knows classes only.
    """

    image: UInt8[np.ndarray, "H W 3"]
    truth: Truth
    segments: Segments | None = None


class ImageSet(Protocol):
    """Labelled images to evaluate on."""

    @property
    def name(self) -> str:
        """As typed, such as "ade20k"."""

    @property
    def split(self) -> str:
        """Which part of the dataset it is, such as "validation"."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as the dataset spells them; index i is class i of the truth."""

    @property
    def ids(self) -> tuple[str, ...]:
        """One id per image, in a fixed order, none twice."""

    def size(self, id: str) -> Size:
        """Return the size of one image without decoding it; raise ImageError where that cannot be told."""

    def read(self, id: str) -> Example:
        """Return one image; raise ImageError for what is wrong with this one."""


class ObjectSet(ImageSet, Protocol):
    """Labelled images whose truth tells objects apart: `read` gives `segments`."""

    @property
    def stuff(self) -> tuple[bool, ...]:
        """Say of every class whether it is stuff, such as grass, and no object."""


class Code(Protocol):
    """How a label file is read."""

    def read(self, path: Path) -> Truth:
        """Return the truth in a file; raise ImageError for what stands for no class."""


@dataclass(frozen=True, eq=False)
class LabelCode:
    """How the values of a label file stand for classes.

    Attributes:
        lookup: for every file value from 0 the class index, IGNORE or NO_CLASS; beyond its end is NO_CLASS.
        legend: the legal values in words, for messages.
    """

    lookup: Int[np.ndarray, " v"]
    legend: str

    def read(self, path: Path) -> Truth:
        """Return the truth in a label file; raises ImageError as `decode` and `read_label_map`."""
        return self.decode(read_label_map(path), path)

    def decode(self, values: Integer[np.ndarray, "H W"], path: Path) -> Truth:
        """Return the truth that the values of the file at `path` stand for.

        Raises:
            ImageError: a value that stands for no class; never a silent ignore.
        """
        present = np.unique(values)
        wrong = [int(v) for v in present if v >= len(self.lookup) or self.lookup[v] == NO_CLASS]
        if wrong:
            shown = ", ".join(map(str, wrong[:5])) + (" …" if len(wrong) > 5 else "")
            raise ImageError(f"{path} holds the label {shown}; legal are {self.legend}.")
        return self.lookup[values].astype(np.uint16)


def label_code(classes: Mapping[int, int], *, ignore: Sequence[int], legend: str) -> LabelCode:
    """Return the code in which file value v is class `classes[v]`; values of `ignore` are not judged."""
    lookup = np.full(max((*classes, *ignore)) + 1, NO_CLASS, np.int64)
    for value, index in classes.items():
        lookup[value] = index
    lookup[list(ignore)] = IGNORE  # a class may be ignored on purpose
    return LabelCode(lookup, legend)


@dataclass(frozen=True, eq=False)
class FileSet:
    """An ImageSet of image files with label files.

    Attributes:
        code_of: the code of a label file; sets differ in it by the file's name.
    """

    name: str
    split: str
    names: tuple[str, ...]
    items: tuple[Item, ...]
    code_of: Callable[[Path], Code]
    by_id: Mapping[str, Item] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {item.id: item for item in self.items})

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids in order."""
        return tuple(self.by_id)

    def size(self, id: str) -> Size:
        """Return the size of one image; raises as `stored_size`."""
        return stored_size(self.by_id[id].image)

    def read(self, id: str) -> Example:
        """Return one image with its truth.

        Raises:
            ImageError: the image or its labels are missing, damaged, of different sizes, or hold a value that
                stands for no class.
        """
        item = self.by_id[id]
        truth = self.read_truth(item)
        try:
            image = read_pixels(item.image)
        except (MissingFileError, ResourceError) as error:
            raise ImageError(str(error)) from error
        if image.shape[:2] != truth.shape:
            raise ImageError(
                f"{item.labels} has {truth.shape[0]}×{truth.shape[1]} pixels, its image "
                f"{image.shape[0]}×{image.shape[1]}; labels must have the image's size."
            )
        return Example(image, truth)

    def read_truth(self, item: Item) -> Truth:
        """Return the truth of one item; raises ImageError as `read`."""
        if item.trouble:
            raise ImageError(f"The labels of {item.id} are {item.trouble}")
        if not item.labels.is_file():
            raise ImageError(f"The labels of {item.id} are missing: there is no file {shown(item.labels)}.")
        return self.code_of(item.labels).read(item.labels)
