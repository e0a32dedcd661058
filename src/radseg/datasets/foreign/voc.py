"""Pascal VOC, and CVAT's segmentation mask 1.1: images of classes in `SegmentationClass`.

With `labelmap.txt` their colours are classes, else their numbers are those of VOC.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from radseg.datasets.base import Code, Truth
from radseg.datasets.colour_table import TABLE, classes_of, colour_code
from radseg.datasets.foreign.base import IMAGE_SUFFIXES, ForeignImage, ForeignSet, Size, class_names, visible
from radseg.datasets.voc import VOC20
from radseg.errors import MissingFileError
from radseg.files import shown

LABELS = "SegmentationClass"
IMAGES = ("JPEGImages", "images", "JPEGImages/default")


def open_voc(source: Path) -> ForeignSet:
    """Return the data set of a folder.

    Raises:
        MissingFileError: it has no folder of labels or of images.
        InputError: a bad table of colours.
    """
    labels = source / LABELS
    images = next((source / name for name in IMAGES if (source / name).is_dir()), None)
    if not labels.is_dir() or images is None:
        raise MissingFileError(
            f"{shown(source)} lacks {LABELS}, or a folder of images ({', '.join(IMAGES[:2])})."
        )
    table = source / TABLE
    code: Code
    if table.is_file():
        names = class_names(classes_of(table), table)
        code = colour_code(table, names)
    else:
        names, code = VOC20.names, VOC20.code_of(labels)
    return ForeignSet(names, _images(images, labels, code), (images,))


def _images(images: Path, labels: Path, code: Code) -> Iterator[ForeignImage]:
    for path in visible(images):
        inner = path.relative_to(images)
        file = labels / inner.with_suffix(".png")
        if path.suffix.lower() in IMAGE_SUFFIXES and file.is_file():
            yield ForeignImage(inner.as_posix(), partial(_truth, file, code), path)


def _truth(file: Path, code: Code, size: Size) -> Truth:
    if file.is_symlink():
        raise ValueError(f"{shown(file)}, which is a link")
    truth = code.read(file)
    if truth.shape != size:
        raise ValueError(f"{truth.shape[0]}×{truth.shape[1]} pixels, and the image has {size[0]}×{size[1]}")
    return truth
