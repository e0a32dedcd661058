"""Folders that appear whole or not at all: made under a hidden name beside their place, then moved there."""

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from radseg.errors import InputError
from radseg.files import failures_named, make_folder, open_regular, shown, write_pieces
from radseg.jobs.naming import inside

MARK = ".radseg-dataset"
"""The file that tells a data set of radseg, which may be replaced, from any other folder."""


@contextmanager
def appearing(output: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a hidden folder that takes the place of `output` when all went well, and is deleted otherwise.

    After `kill -9` it may remain, named `.radseg-*.part`.

    Args:
        replace: whether an earlier data set of radseg there is replaced; an empty folder always is.

    Raises:
        InputError: something else is there, or it is not to be replaced.
        ResourceError: the disk stands in the way.
    """
    is_old = output.is_symlink() or (output.exists() and (not output.is_dir() or any(output.iterdir())))
    if is_old and not (replace and is_dataset(output)):
        what = "is no data set of radseg" if replace else "exists; replace a data set with --overwrite"
        raise InputError(f"{shown(output)} {what}, or name another folder with -o.")
    make_folder(output.parent)
    token = secrets.token_hex(8)
    new, old = (output.parent / f".radseg-{token}.{kind}" for kind in ("part", "old"))
    make_folder(new)
    try:
        write_in(new, MARK, [b""])
        yield new
        with failures_named(output):
            if output.exists():
                output.rename(old)
            new.rename(output)
    finally:
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)


def is_dataset(folder: Path) -> bool:
    """Return whether a folder, no link, is a data set that radseg wrote."""
    return (folder / MARK).is_file() and not folder.is_symlink()


def write_in(folder: Path, path: str, pieces: Iterable[bytes]) -> None:
    """Write a file inside a folder and the folders on the way.

    Raises:
        InputError: the path would leave the folder.
        ResourceError: the disk stands in the way.
    """
    target = inside(folder, path)
    make_folder(target.parent)
    write_pieces(target, pieces, durable=False)  # it can be made again


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file; raises as `open_regular`."""
    with open_regular(path, most=None) as stream:
        yield from iter(partial(stream.read, 2**20), b"")
