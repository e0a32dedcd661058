"""Which image of this run an earlier part of it did already, wherever the folder of the images lies by now.

A record names no path of the disk: it has the image's path below its source folder, a mark of that folder,
and size and time of change of the file.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from radseg.jobs.manifest import Record
from radseg.jobs.sources import SourceImage

Stamp = tuple[int, int]
"""Bytes and time of change in nanoseconds; zeros where there is no file."""


def folder_mark(folder: Path) -> str:
    """Return what tells a folder from others on this machine and is no path: a hash of its name and inode.

    It stays when the folder is moved on its disk. The name is in it because inodes are given again.
    """
    try:
        inode = folder.stat().st_ino
    except OSError:
        inode = 0
    name = os.path.basename(os.path.realpath(folder))  # noqa: PTH119 - `Path.resolve` raises for a looping link
    return hashlib.sha256(os.fsencode(f"{inode} {name}")).hexdigest()[:16]


def stamp_of(image: Path) -> Stamp:
    """Return bytes and time of change of a file; zeros where it cannot be said."""
    try:
        status = image.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def earlier_records(
    images: Sequence[SourceImage], marks: Sequence[str], records: Iterable[Record]
) -> list[Record | None]:
    """Return for each image its record, None where it has none; no record goes to two images.

    An image is known by its folder and its path below it. Where that folder is unknown, as after a move to
    another disk, size and time of change must be equal too: folders of two days may hold one name each.

    Args:
        marks: of the images' roots; see `folder_mark`.
    """
    places, stamps = {}, {}
    for record in records:
        places[record.folder, record.source] = record
        stamps[record.source, record.size, record.mtime_ns] = record
    found = [places.get((mark, image.below)) for image, mark in zip(images, marks, strict=True)]
    taken = {record.name for record in found if record is not None}
    for index, image in enumerate(images):
        size, changed = stamp_of(image.path) if found[index] is None and stamps else (0, 0)
        moved = stamps.get((image.below, size, changed)) if changed else None
        if moved is not None and moved.name not in taken:
            found[index] = moved
            taken.add(moved.name)
    return found
