"""What every format of whole data sets is made from, and what each of them is: a function to files.

A format takes images one at a time and yields files, so that memory does not grow with the images. It opens
nothing and writes nothing: `radseg.runs.exporting` does.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import Any, Protocol
from xml.etree import ElementTree as Xml

import numpy as np
from jaxtyping import Bool, Int32

from radseg.colours import NONE_COLOUR, Colour, colours
from radseg.errors import InputError
from radseg.io.labels import LabelMap, label_dtype

BACKGROUND = "background"
"""What tools call pixels without a class."""
SUBSET = "default"
"""The one subset of an exported data set, by the name that CVAT and Datumaro give it."""
IN_MEMORY = 8 * 2**20


class Part(Protocol):
    """One mask of an image, as `radseg.objects.ImageObject`: an object, or a connected part of a class."""

    @property
    def label(self) -> int:
        """Number of its class, from 1."""

    @property
    def name(self) -> str:
        """Its class."""

    @property
    def score(self) -> float:
        """How sure it is, 0 to 1."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels; x1 and y1 exclusive."""

    @property
    def stuff(self) -> bool:
        """Whether it is no countable thing."""

    @property
    def crop(self) -> Bool[np.ndarray, "h w"]:
        """Where it is inside its box."""

    @property
    def area(self) -> int:
        """How many pixels it has."""

    def run_lengths(self) -> list[int]:
        """Return COCO's uncompressed run lengths."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image of a data set.

    Attributes:
        name: its path below the folder of the images, with forward slashes and its ending.
        size: height and width in pixels.
        parts: its masks; no pixel is in two.
        has_scores: whether the scores of the parts say something.
    """

    name: str
    size: tuple[int, int]
    parts: Sequence[Part]
    has_scores: bool = False

    @property
    def stem(self) -> str:
        """Its name without ending."""
        return PurePosixPath(self.name).with_suffix("").as_posix()

    def numbers(self) -> Int32[np.ndarray, "H W"]:
        """Return for every pixel the number of its part, from 1; 0 where there is none."""
        return self._painted(np.int32, range(1, len(self.parts) + 1))

    def class_map(self, names: int) -> LabelMap:
        """Return for every pixel the number of its class, from 1; 0 where there is none."""
        return self._painted(label_dtype(names), [part.label for part in self.parts])

    def _painted(self, dtype: type[np.generic], values: Iterable[int]) -> np.ndarray[Any, Any]:
        painted = np.zeros(self.size, dtype)
        for part, value in zip(self.parts, values, strict=True):
            x0, y0, x1, y1 = part.box
            painted[y0:y1, x0:x1][part.crop] = value
        return painted


DatasetFile = tuple[str, Iterable[bytes]]
"""A path inside the data set, with forward slashes, and the content in pieces."""
Writer = Callable[[Iterable[LabelledImage], Sequence[str]], Iterator[DatasetFile]]
"""From images and class names to files. The pieces of a file are taken before the next file is asked for."""


@dataclass(frozen=True)
class Format:
    """One exchange format.

    Attributes:
        write: makes the files.
        image_path: where in the data set an image of this name lies.
        by_stem: whether two images must differ in more than their endings.
        needs: module and extra of radseg that it takes, or none.
    """

    write: Writer
    image_path: Callable[[str], str]
    by_stem: bool = False
    needs: tuple[str, str] | None = None


class JsonList:
    """A JSON list that grows while images go by: in memory up to 8 MiB, then in a nameless temporary file."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by `pieces`
        self._separator = b""

    def add(self, value: Any) -> None:
        """Append a value."""
        self._file.write(self._separator + json_line(value))
        self._separator = b",\n"

    def pieces(self) -> Iterator[bytes]:
        """Yield the list as JSON, once."""
        yield b"["
        self._file.seek(0)
        with self._file as file:
            while piece := file.read(2**20):
                yield piece
        yield b"]"


def json_line(value: Any) -> bytes:
    """Return a value as JSON in one line of UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


def xml_bytes(element: Xml.Element) -> bytes:
    """Return an element as XML in UTF-8, indented, without a declaration."""
    Xml.indent(element)
    return Xml.tostring(element, encoding="unicode").encode("utf-8", "backslashreplace") + b"\n"


def with_text(parent: Xml.Element, tag: str, text: object) -> Xml.Element:
    """Append an element that holds a text, and return it."""
    child = Xml.SubElement(parent, tag)
    child.text = str(text)
    return child


def distinct_colours(names: Sequence[str]) -> list[Colour]:
    """Return a colour for every class, none twice and none black: formats tell classes apart by them.

    They are the colours of `radseg.colours`, which repeat beyond 240 names; what repeats takes the next free
    number. A class called "background" is black, because pixels without a class are what those tools mean.

    Raises:
        InputError: see `colours`.
    """
    taken: set[Colour] = {NONE_COLOUR}
    chosen = []
    for name, wanted in zip(names, colours(names).tolist(), strict=True):
        if name.casefold() == BACKGROUND:
            chosen.append(NONE_COLOUR)
            continue
        code = wanted[0] << 16 | wanted[1] << 8 | wanted[2]
        while (colour := (code >> 16 & 255, code >> 8 & 255, code & 255)) in taken:
            code += 1
        taken.add(colour)
        chosen.append(colour)
    return chosen


def require_line_names(names: Sequence[str], forbidden: str, what: str) -> None:
    """Raise InputError for a class name that a file of lines cannot hold.

    Args:
        forbidden: letters that separate its fields.
        what: the file, for the message.
    """
    for name in names:
        if name.startswith("#") or any(letter in name for letter in forbidden):
            raise InputError(
                f"{what} cannot hold the class {name!r}: no name in it may begin with '#' or hold "
                f"{' or '.join(map(repr, forbidden))}. Call it otherwise, or export to another format, such "
                "as coco."
            )
