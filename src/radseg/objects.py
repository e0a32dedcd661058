"""Objects of one image: the value, and pure functions on lists of them. No network.

A class map says which pixels are "chair"; objects say which of them are one chair. Ties are broken by
geometry and then by the name itself, never by the order in which names were given.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int32, Integer
from scipy import ndimage

from radseg.errors import InputError
from radseg.modes import STUFF
from radseg.ops.bands import row_bands
from radseg.ops.regions import label_regions
from radseg.ops.run_lengths import of_run_lengths
from radseg.types import ShortRepr

How = Literal["connected part", "SAM prompt", "whole class"]
"""Where an object's mask came from; "whole class" is stuff."""

OBJECTS_FORMAT = "radseg-objects/1"

MIN_AREA = 900
"""Smallest object in pixels, the smallest region of RADSeg+ (arXiv 2511.19704 §3.5)."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageObject(ShortRepr):
    """One object of an image. Objects that share no pixel may share one map of numbers as their memory.

    Attributes:
        name: what it is called.
        label: its value in the label map, from 1.
        score: 0 to 1, how sure it is that this is one object of that name.
        box: x0, y0, x1, y1 in pixels; x1 and y1 are exclusive, the first column and row behind it.
        part: a map of numbers inside the box.
        number: the number in `part` that is this object.
        size: height and width of the image in pixels.
        stuff: no countable thing: all pixels of its name.
        how: where the mask came from.
    """

    name: str
    label: int
    score: float
    box: tuple[int, int, int, int]
    part: Integer[np.ndarray, "h w"] | Bool[np.ndarray, "h w"]
    number: int
    size: tuple[int, int]
    stuff: bool = False
    how: How = "connected part"

    @property
    def crop(self) -> Bool[np.ndarray, "h w"]:
        """Where it is inside its box."""
        return np.equal(self.part, self.number)

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """Where it is in the whole image; made anew at each call."""
        mask = np.zeros(self.size, bool)
        mask[self.slices] = self.crop
        return mask

    @cached_property
    def area(self) -> int:
        """How many pixels it has."""
        return int(np.count_nonzero(self.crop))

    def run_lengths(self) -> list[int]:
        """Return COCO's uncompressed run lengths of the mask: down the columns, first those outside."""
        (x0, y0, _, _), (height, width) = self.box, self.size
        edges = np.diff(np.pad(self.crop.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        column, row = np.nonzero(edges)
        places = (column + x0) * height + row + y0
        # A run that reaches the lower edge goes on at the top of the next column.
        same = np.flatnonzero(np.diff(places) == 0)
        places = np.delete(places, np.concatenate([same, same + 1]))
        counts: list[int] = np.diff(places, prepend=0, append=height * width).tolist()
        return counts if counts[-1] else counts[:-1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)


def objects_json(objects: Sequence[ImageObject], size: tuple[int, int]) -> dict[str, Any]:
    """Return the objects as plain values: id from 1, box, area and COCO's uncompressed run lengths."""
    entries = [
        {
            "id": number,
            **{key: getattr(one, key) for key in ("name", "label", "score", "box", "area", "stuff", "how")},
            "segmentation": {"size": list(size), "counts": one.run_lengths()},
        }
        for number, one in enumerate(objects, start=1)
    ]
    return {"format": OBJECTS_FORMAT, "size": list(size), "objects": entries}


def objects_of_json(value: Any) -> list[ImageObject]:
    """Return the objects that `objects_json` made plain values of.

    Raises:
        InputError: they are not.
    """
    try:
        if value["format"] != OBJECTS_FORMAT:
            raise InputError(f"The format is {value['format']!r}, not {OBJECTS_FORMAT}.")
        height, width = value["size"]
        return [_object_of_json(one, (int(height), int(width))) for one in value["objects"]]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"These are no objects that radseg wrote: {error}.") from error


def _object_of_json(one: Mapping[str, Any], size: tuple[int, int]) -> ImageObject:
    flat = of_run_lengths(one["segmentation"]["counts"], size[0] * size[1])
    return object_of(
        flat.reshape(size[1], size[0]).T,
        name=str(one["name"]),
        label=int(one["label"]),
        score=float(one["score"]),
        stuff=bool(one["stuff"]),
        how=one["how"],
    )


def object_of(
    mask: Bool[np.ndarray, "h w"],
    *,
    name: str,
    label: int,
    score: float,
    stuff: bool = False,
    how: How = "connected part",
    at: tuple[int, int] = (0, 0),
    size: tuple[int, int] | None = None,
) -> ImageObject:
    """Return the object of one mask.

    Args:
        at: row and column of the image where the mask begins.
        size: height and width of the image; None is the mask's.

    Raises:
        InputError: the mask is empty.
    """
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found:
        raise InputError(f"The mask of {name!r} is empty; an object has at least one pixel.")
    part, (x0, y0, x1, y1) = mask[found[0]].copy(), _box(found[0])
    box = x0 + at[1], y0 + at[0], x1 + at[1], y1 + at[0]
    return ImageObject(name, label, score, box, part, 1, size or _size(mask), stuff, how)


def is_stuff(name: str, stuff: Collection[str] = STUFF) -> bool:
    """Return whether a name is, or ends in, one of `stuff`; case does not matter."""
    words, known = name.lower().split(), {one.lower() for one in stuff}
    return any(" ".join(words[start:]) in known for start in range(len(words)))


def connected_objects(
    labels: Integer[np.ndarray, "H W"],
    names: Sequence[str],
    confidence: Float[np.ndarray, "H W"],
    *,
    min_area: int = MIN_AREA,
    stuff: Collection[str] = STUFF,
) -> list[ImageObject]:
    """Return the connected parts of each name, best first; pixels that touch at corners are connected.

    Names of stuff are one object each. The score is the mean confidence.

    Args:
        labels: 0 for none, name i is label i + 1.
        min_area: smaller ones are left out, in pixels.
    """
    whole = [label for label, name in enumerate(names, start=1) if is_stuff(name, stuff)]
    regions = label_regions(labels, confidence, ignore={0, *whole}, min_area=min_area)
    numbers = np.asarray(regions.ids, np.int32)
    first = len(regions) + 1
    for number, label in enumerate(whole, start=first):
        numbers[labels == label] = number
    label_of = [0, *regions.labels.tolist(), *whole]
    hows: list[How] = [
        "connected part" if number < first else "whole class" for number in range(len(label_of))
    ]
    found = numbered_objects(numbers, [names[label - 1] for label in label_of], label_of, confidence, hows)
    return [one for one in found if one.area >= min_area]


def numbered_objects(
    numbers: Int32[np.ndarray, "H W"],
    names: Sequence[str],
    labels: Sequence[int],
    confidence: Float[np.ndarray, "H W"],
    hows: Sequence[How],
) -> list[ImageObject]:
    """Return the objects of a map of numbers, best first; number n has entry n of the other lists.

    The score is the mean confidence. What is a "whole class" is stuff; 0 is no object.
    """
    areas, sums = np.zeros(len(names), np.int64), np.zeros(len(names))
    for rows in row_bands(*numbers.shape):
        flat = numbers[rows].ravel()
        areas += np.bincount(flat, minlength=len(names))
        sums += np.bincount(flat, confidence[rows].ravel(), minlength=len(names))
    found = []
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        if place is not None:
            score, how = min(1.0, float(sums[number] / areas[number])), hows[number]
            found.append(
                ImageObject(
                    names[number], labels[number], score, _box(place), numbers[place], number,
                    _size(numbers), how == "whole class", how,
                )
            )  # fmt: skip
    return ranked(found)


def ranked(objects: Iterable[ImageObject]) -> list[ImageObject]:
    """Return the objects best first; of equal scores the upper, the left, the smaller, then by name."""

    def rank(one: ImageObject) -> tuple[float | int | str, ...]:
        x0, y0, x1, y1 = one.box
        return -one.score, y0, x0, y1, x1, one.area, one.name

    return sorted(objects, key=rank)


def overlap_of(one: ImageObject, other: ImageObject) -> int:
    """Return how many pixels two objects share."""
    x0, y0 = max(one.box[0], other.box[0]), max(one.box[1], other.box[1])
    x1, y1 = min(one.box[2], other.box[2]), min(one.box[3], other.box[3])
    if x0 >= x1 or y0 >= y1:
        return 0
    both = [
        np.equal(
            each.part[y0 - each.box[1] : y1 - each.box[1], x0 - each.box[0] : x1 - each.box[0]], each.number
        )
        for each in (one, other)
    ]
    return int(np.count_nonzero(both[0] & both[1]))


def suppressed(objects: Iterable[ImageObject], overlap: float) -> list[ImageObject]:
    """Return the objects best first without those that a better one of the same name overlaps.

    Args:
        overlap: intersection over union of two masks above which the lesser is left out, 0 to 1.
    """
    kept: list[ImageObject] = []
    for one in ranked(objects):
        same = [other for other in kept if other.label == one.label]
        shared = [(overlap_of(one, other), other) for other in same]
        if all(both <= overlap * (one.area + other.area - both) for both, other in shared):
            kept.append(one)
    return kept


def panoptic(objects: Sequence[ImageObject], shape: tuple[int, int]) -> Int32[np.ndarray, "H W"]:
    """Return for each pixel the number of its object, from 1 in the order given; 0 where there is none.

    A pixel of several objects is the best one's.
    """
    ids = np.zeros(shape, np.int32)
    number_of = {id(one): number for number, one in enumerate(objects, start=1)}
    for one in ranked(objects):
        part = ids[one.slices]
        part[one.crop & (part == 0)] = number_of[id(one)]
    return ids


def disjoint(
    objects: Sequence[ImageObject], shape: tuple[int, int], *, min_area: int, min_share: float
) -> list[ImageObject]:
    """Return the objects cut to the pixels that `panoptic` gives them, best first.

    Left out is what keeps fewer than `min_area` pixels, or less than `min_share` of its own.
    """
    ids = panoptic(objects, shape)
    found = ndimage.find_objects(ids)
    cut = []
    for number, (one, place) in enumerate(zip(objects, found, strict=False), start=1):
        if place is not None:
            left = replace(one, box=_box(place), part=ids[place], number=number)
            if left.area >= max(min_area, min_share * one.area):
                cut.append(left)
    return ranked(cut)


def _box(place: tuple[slice, ...]) -> tuple[int, int, int, int]:
    rows, columns = place
    return columns.start, rows.start, columns.stop, rows.stop


def _size(map_: np.ndarray) -> tuple[int, int]:
    return int(map_.shape[0]), int(map_.shape[1])


def restored_objects(
    saved: Sequence[Mapping[str, Any]], numbers: Int32[np.ndarray, "H W"]
) -> list[ImageObject]:
    """Return objects from what was saved of each: number i in the map is the i-th, from 1."""
    size = int(numbers.shape[0]), int(numbers.shape[1])
    found = []
    for number, one in enumerate(saved, start=1):
        x0, y0, x1, y1 = one["box"]
        values = {**one, "box": (x0, y0, x1, y1)}
        found.append(ImageObject(**values, part=numbers[y0:y1, x0:x1], number=number, size=size))
    return found
