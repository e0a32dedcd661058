"""A person's own labelled images: a folder of images, a folder of label PNGs, and a list of classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from radseg.datasets.base import FileSet, Item, LabelCode, label_code
from radseg.errors import InputError, MissingFileError

IMAGE_FOLDER = "images"
LABEL_FOLDERS = ("annotations", "labels", "masks")
CLASS_FILE = "classes.txt"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm"})


def open_folder(
    data: Path, names: Sequence[str], *, ignore: Sequence[int] = (), first_label: int = 0
) -> FileSet:
    """Return the images of `data/images` with the label PNGs of the same names beside them.

    Labels lie in `annotations`, `labels` or `masks`; subfolders are followed.

    Args:
        names: the classes in the order of their file values.
        ignore: file values that are not judged, beside 255 (65535 in 16-bit files) and those below
            `first_label`.
        first_label: file value of the first class: 0, or 1 where 0 means "none of the classes".

    Raises:
        MissingFileError: a folder is missing.
        InputError: no images, or two images with the same name.
    """
    images, labels = data / IMAGE_FOLDER, _label_folder(data)
    if not images.is_dir():
        raise MissingFileError(f"There is no folder {images}; put the images there.")
    items = tuple(_items(images, labels))
    if not items:
        raise InputError(f"{images} holds no images ({', '.join(sorted(_SUFFIXES))}).")
    seen: dict[str, Path] = {}
    for item in items:
        if item.id in seen:
            raise InputError(f"{seen[item.id]} and {item.image} would share one label file; rename one.")
        seen[item.id] = item.image
    code = _code(len(names), ignore, first_label)
    return FileSet("folder", data.resolve().name, tuple(names), items, lambda path: code)


def _label_folder(data: Path) -> Path:
    for name in LABEL_FOLDERS:
        if (data / name).is_dir():
            return data / name
    raise MissingFileError(
        f"{data} has no folder of labels; put PNGs named as the images into {data / LABEL_FOLDERS[0]}."
    )


def _items(images: Path, labels: Path) -> Iterator[Item]:
    for image in sorted(images.rglob("*")):
        if image.suffix.lower() in _SUFFIXES and image.is_file():
            inner = image.relative_to(images).with_suffix("")
            yield Item(inner.as_posix(), image, labels / inner.with_suffix(".png"))


def _code(classes: int, ignore: Sequence[int], first_label: int) -> LabelCode:
    last = first_label + classes - 1
    values = {first_label + index: index for index in range(classes)}
    unjudged = {*range(first_label), *ignore, *(v for v in (255, 65535) if v > last)}
    shown = ", ".join(map(str, sorted(unjudged)))
    return label_code(
        values,
        ignore=sorted(unjudged),
        legend=f"{first_label} to {last} for the {classes} classes, and {shown} for what is not judged "
        "(--ignore adds one)",
    )
