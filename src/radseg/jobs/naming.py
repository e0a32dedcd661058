"""Which name the outputs of each image get: short where possible, never shared, never outside the folder."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from radseg.errors import InputError
from radseg.jobs.sources import SourceImage

OUTPUT_SUFFIXES = (".png", ".jpg", ".json", ".npz", ".safetensors", ".part")
"""What the files of a run end in; no folder of a name does, or it would stand in the way of a file."""

MAX_BYTES = 190
"""Most bytes of the last part of a name: a file name has 255, and the longest ending, of a heat map, 55."""


def output_names(
    images: Sequence[SourceImage], *, known: Sequence[str | None] = (), taken: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return one output name per image: a relative path with forward slashes and without the image's suffix.

    The name is the path below the source's folder, without suffix (`trip/day1/photo.jpg` of the folder `trip`
    is `day1/photo`). Images that would share a name all move to the next form: the path below the deepest
    folder that holds every image of the run, then that with the suffix (`photo.jpg`, `photo.png`), then a
    number (`photo.jpg~2`). Upper and lower case count as equal, as many file systems have it. A folder that
    ends like a file of the run gets a `_` behind; what is too long ends in a hash of the whole. So every
    folder of a run, which holds one kind of file, holds a file of its own for each image.

    Args:
        known: the name that an earlier part of this run gave each image, or None; names are kept.
        taken: all names it gave, also to images that are not in this part.
    """
    absolute = [os.path.abspath(image.path) for image in images]  # noqa: PTH100 - lexical: links keep their name
    common = _common_folder(absolute)
    names = list(known) or [None] * len(images)
    given = {_fold(name) for name in taken}
    forms: tuple[Callable[[int], str], ...] = (
        lambda i: _below(images[i].path.with_suffix(""), images[i].root),
        lambda i: _below(Path(absolute[i]).with_suffix(""), common),
        lambda i: _below(Path(absolute[i]), common),
    )
    for form in forms:
        _give(names, form, given)
    for index, name in enumerate(names):
        if name is None:
            names[index] = _numbered(_below(Path(absolute[index]), common), given)
    return tuple(name for name in names if name is not None)


def _give(names: list[str | None], form: Callable[[int], str], taken: set[str]) -> None:
    """Fill in the names that this form makes unique, and leave the others open."""
    wanted = {index: form(index) for index, name in enumerate(names) if name is None}
    counts = Counter(_fold(name) for name in wanted.values())
    alone = {index: name for index, name in wanted.items() if counts[_fold(name)] == 1}
    for index, name in alone.items():
        if _fold(name) not in taken:
            names[index] = name
            taken.add(_fold(name))


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while _fold(f"{name}~{number}") in taken:
        number += 1
    taken.add(_fold(f"{name}~{number}"))
    return f"{name}~{number}"


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common_folder(paths: Sequence[str]) -> Path:
    try:
        return Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    except ValueError:  # no paths, or paths on several drives
        return Path()


def _below(path: Path, root: Path) -> str:
    """Return `path` relative to `root` in forward slashes; only the last part if it does not lie below."""
    inside = Path(os.path.relpath(path, root))
    parts = inside.parts if ".." not in inside.parts and not inside.is_absolute() else (path.name,)
    return PurePosixPath(*map(_unlike_a_file, parts[:-1]), *map(_shortened, parts[-1:])).as_posix()


def _unlike_a_file(folder: str) -> str:
    return f"{folder}_" if _fold(folder).endswith(OUTPUT_SUFFIXES) else folder


def _shortened(name: str) -> str:
    whole = os.fsencode(name)
    if len(whole) <= MAX_BYTES:
        return name
    mark = hashlib.sha256(whole).hexdigest()[:12]
    return f"{whole[: MAX_BYTES - len(mark) - 1].decode(errors='ignore')}~{mark}"


def inside(folder: Path, name: str) -> Path:
    """Return `folder/name`, after checking that it cannot lie anywhere else.

    Raises:
        InputError: the name is absolute, climbs with `..`, or a link on the way leads out of the folder.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name or not relative.parts:
        raise InputError(f"The output name {name!r} would leave the output folder {folder}.")
    target = folder / relative
    parent = Path(os.path.realpath(target.parent))  # `Path.resolve` raises where a link leads to itself
    if not parent.is_relative_to(os.path.realpath(folder)):
        raise InputError(
            f"The output {target} would be written to {parent}, outside {folder}: "
            "a link in the output folder leads there. Remove the link or choose another folder with -o."
        )
    return target
