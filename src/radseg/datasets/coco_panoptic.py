"""COCO panoptic, val2017: 80 things and 53 kinds of stuff (Kirillov et al., arXiv 1801.00868).

`annotations/panoptic_val2017.json`, `annotations/panoptic_val2017/*.png`, `val2017/*.jpg`. Colours of a PNG
are ids, R + 256 G + 256² B; the JSON says which category an id is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radseg.datasets.base import IGNORE, Example
from radseg.errors import ImageError, InputError, MissingFileError, ResourceError
from radseg.files import bytes_of, json_of, shown
from radseg.io import read_label_colours, read_pixels, stored_size
from radseg.types import Segments, Size

SPLIT = "val2017"
_SOURCE = (
    "val2017.zip and panoptic_annotations_trainval2017.zip (and the zip inside) of the COCO page "
    "(cocodataset.org), unpacked side by side"
)
_ENDINGS = ("-merged", "-other", "-stuff")


@dataclass(frozen=True, eq=False)
class CocoPanoptic:
    """Labelled images with objects.

    Attributes:
        images: folder of the JPEGs.
        labels: folder of the PNGs.
        names: of the categories, in the order of their ids; "wall-other-merged" is "wall".
        stuff: whether a category is no thing.
        classes: index of each category id.
        annotations: per image id file name and segments, as the JSON has them.
    """

    images: Path
    labels: Path
    names: tuple[str, ...]
    stuff: tuple[bool, ...]
    classes: Mapping[int, int]
    annotations: Mapping[str, Mapping[str, Any]] = field(repr=False)
    name: str = "cocopanoptic"
    split: str = SPLIT

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the images without ending, sorted."""
        return tuple(sorted(self.annotations))

    def size(self, id: str) -> Size:
        """Return the size of one image; raises as `stored_size`."""
        return stored_size(self._image(id))

    def read(self, id: str) -> Example:
        """Return one image with the class of every pixel and its segments.

        Raises:
            ImageError: image or labels are missing or damaged, differ in size, or the PNG holds a segment
                that the JSON lacks.
        """
        entry = self.annotations[id]
        path = self.labels / entry["file_name"]
        try:
            colours = read_label_colours(path).astype(np.int64)
            image = read_pixels(self._image(id))
        except (MissingFileError, ResourceError) as error:
            raise ImageError(str(error)) from error
        if image.shape != colours.shape:
            raise ImageError(
                f"{shown(path)} has {colours.shape[0]}×{colours.shape[1]} pixels, its image "
                f"{image.shape[0]}×{image.shape[1]}; labels must have the image's size."
            )
        segments = self._segments(colours @ (1, 256, 256**2), entry["segments_info"], path)
        classes = np.append(segments.labels, IGNORE)[segments.ids - 1]  # 0, void, takes the last
        return Example(image, classes.astype(np.uint16), segments)

    def _image(self, id: str) -> Path:
        return self.images / f"{id}.jpg"

    def _segments(self, values: np.ndarray, info: list[dict[str, Any]], path: Path) -> Segments:
        known = {int(one["id"]): number for number, one in enumerate(info, start=1)} | {0: 0}
        present, inverse = np.unique(values, return_inverse=True)
        strange = [int(value) for value in present if int(value) not in known]
        if strange:
            raise ImageError(f"{shown(path)} holds the segments {strange[:5]}, which its JSON does not list.")
        numbers = np.array([known[int(value)] for value in present])
        try:
            labels = [self.classes[int(one["category_id"])] for one in info]
        except KeyError as error:
            raise ImageError(
                f"A segment of {shown(path)} has category {error}, which does not exist."
            ) from error
        return Segments(
            numbers[inverse.reshape(values.shape)],
            np.array(labels, np.int64),
            np.array([bool(one.get("iscrowd", 0)) for one in info], np.bool_),
        )


def open_coco_panoptic(data: Path | None) -> CocoPanoptic:
    """Return the images of COCO panoptic in a folder.

    Raises:
        InputError: no folder is named, or the JSON is not COCO's.
        MissingFileError: JSON, labels or images are not there.
    """
    if data is None:
        raise InputError(f"Where is the dataset? Add --data FOLDER. Get it: {_SOURCE}.")
    labels = data / "annotations" / f"panoptic_{SPLIT}"
    file = labels.with_suffix(".json")
    images = next((path for path in (data / SPLIT, data / "images" / SPLIT) if path.is_dir()), data / SPLIT)
    for path in (file, labels, images):
        if not path.exists():
            raise MissingFileError(
                f"{data} does not hold COCO panoptic: there is no {path}. Get it: {_SOURCE}."
            )
    try:
        content = json_of(bytes_of(file))
        categories = sorted(content["categories"], key=lambda one: int(one["id"]))
        return CocoPanoptic(
            images,
            labels,
            tuple(_spoken(str(one["name"])) for one in categories),
            tuple(not one["isthing"] for one in categories),
            {int(one["id"]): index for index, one in enumerate(categories)},
            {Path(one["file_name"]).stem: _entry(one) for one in content["annotations"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{shown(file)} is no JSON of COCO panoptic: {error!r}.") from error


def _entry(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation; KeyError, TypeError or ValueError where it is none."""
    segments = [
        {"id": int(one["id"]), "category_id": int(one["category_id"]), "iscrowd": int(one.get("iscrowd", 0))}
        for one in raw["segments_info"]
    ]
    return {"file_name": Path(raw["file_name"]).name, "segments_info": segments}


def _spoken(name: str) -> str:
    """Return a category as people say it: "floor-other-merged" is "floor", "wall-brick" is "wall brick"."""
    while name.endswith(_ENDINGS):
        name = name.rpartition("-")[0]
    return name.replace("-", " ")
