"""A person's own labelled images: a folder of images, a folder of label files, and a list of classes."""

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radseg.datasets.base import Code, FileSet, Item, LabelCode, label_code
from radseg.datasets.colour_table import TABLE, colour_code
from radseg.errors import InputError, MissingFileError
from radseg.files import shown
from radseg.io import LABEL_ENDINGS

IMAGE_FOLDER = "images"
LABEL_FOLDERS = ("annotations", "labels", "masks", "SegmentationClass")
CLASS_FILE = "classes.txt"
_MARKS = ("mask", "masks", "label", "labels", "gt", "seg", "annotation")
_READ = (
    f"Labels are read from {', '.join(LABEL_ENDINGS)}, named as the image, or with _mask or _label after it."
)
_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm"}
    | {".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx"}
)


def open_folder(
    data: Path, names: Sequence[str], *, ignore: Sequence[int] = (), first_label: int = 0
) -> FileSet:
    """Return the images of `data/images` with the label files of the same names beside them.

    Labels lie in `annotations`, `labels`, `masks` or `SegmentationClass`; subfolders are followed, hidden
    files left out. A label file is a PNG or TIFF of the image's whole name but its ending, or with a mark
    such as `_mask` after that. With `data/labelmap.txt` (CVAT's) labels are colours.

    Args:
        names: the classes in the order of their file values.
        ignore: file values that are not judged, beside 255 (65535 in 16-bit files) and those below
            `first_label`.
        first_label: file value of the first class: 0, or 1 where 0 means "none of the classes".

    Raises:
        MissingFileError: a folder is missing.
        InputError: no images, two images with the same name, or a bad table of colours.
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
    code: Code
    if (data / TABLE).is_file():
        if ignore or first_label:
            raise InputError(
                f"With {shown(data / TABLE)} labels are colours; leave --ignore and --first-label out, or "
                "move it away."
            )
        code = colour_code(data / TABLE, names)
    else:
        code = _code(len(names), ignore, first_label)
    return FileSet("folder", data.resolve().name, tuple(names), items, lambda path: code)


def _label_folder(data: Path) -> Path:
    for name in LABEL_FOLDERS:
        if (data / name).is_dir():
            return data / name
    raise MissingFileError(
        f"{data} has no folder of labels; put PNGs named as the images into {data / LABEL_FOLDERS[0]}."
    )


Key = tuple[str, str]
"""Folder below the images or labels, and name without its ending; composed, as macOS decomposes names."""


def _items(images: Path, labels: Path) -> Iterator[Item]:
    pictures = [path for path in _visible(images) if path.suffix.lower() in _SUFFIXES]
    files: dict[Key, list[Path]] = {}
    for file in _visible(labels):
        files.setdefault(_key(file.relative_to(labels)), []).append(file)
    own = {_key(image.relative_to(images)) for image in pictures}
    for image in pictures:
        inner = image.relative_to(images)
        found, other = _labels_of(inner, files, own)
        # never Path.with_suffix on a name without its ending: of room.flip it would make room.png
        expected = labels / inner.parent / f"{inner.stem}.png"
        item = Item(inner.with_suffix("").as_posix(), image, found[0] if found else expected)
        if len(found) > 1:
            listed = " and ".join(shown(path) for path in found)
            item = replace(item, trouble=f"in several files: {listed}. Keep one.")
        elif not found and other:
            listed = ", ".join(path.name for path in other[:3])
            trouble = f"missing: there is no file {shown(expected)}. Beside it: {listed}. {_READ}"
            item = replace(item, trouble=trouble)
        yield item


def _labels_of(
    inner: Path, files: Mapping[Key, list[Path]], own: Collection[Key]
) -> tuple[list[Path], list[Path]]:
    """Return the files that hold an image's labels, and others whose names begin as the image's does.

    Of its own name, with the image's ending inside or not; else with a mark such as _mask, where that is not
    another image's.
    """
    folder, stem = _key(inner)
    exact = [*files.get((folder, stem), ()), *files.get((folder, _composed(inner.name)), ())]
    marked = [
        file
        for sign in "_-."
        for word in _MARKS
        if (key := (folder, f"{stem}{sign}{word}")) not in own
        for file in files.get(key, ())
    ]
    for some in (exact, marked):
        if readable := [file for file in some if file.suffix.lower() in LABEL_ENDINGS]:
            return readable, []
    begin = [
        file for key, some in files.items() if key[0] == folder and key[1].startswith(stem) for file in some
    ]
    return [], [file for file in begin if _key(Path(folder) / file.name) not in own or file in exact]


def _key(inner: Path) -> Key:
    return _composed(inner.parent.as_posix()), _composed(inner.stem)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _visible(folder: Path) -> list[Path]:
    """Return the files below a folder in order, without hidden ones such as macOS's ._name.png."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _code(classes: int, ignore: Sequence[int], first_label: int) -> LabelCode:
    last = first_label + classes - 1
    values = {first_label + index: index for index in range(classes)}
    unjudged = {*range(first_label), *ignore, *(v for v in (255, 65535) if v > last)}
    listed = ", ".join(map(str, sorted(unjudged)))
    return label_code(
        values,
        ignore=sorted(unjudged),
        legend=f"{first_label} to {last} for the {classes} classes, and {listed} for what is not judged "
        "(--ignore adds one)",
    )
