"""Write a file whole or not at all, and say plainly why it could not be written."""

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from radseg.errors import RadsegError, ResourceError
from radseg.io.image import shown


def write_atomically(path: str | Path, write: Callable[[BinaryIO], None]) -> None:
    """Call `write` with a stream; the file at `path` is replaced only when all of it is on the disk.

    The bytes go to a hidden file in the same folder, are synced, and take the final name in one step.
    Whatever fails, an old file at `path` stays as it was and nothing else is left behind; after `kill -9` a
    hidden file named `.radseg-*.part` may remain and can be deleted.

    Raises:
        ResourceError: no such folder, no permission, disk full or read-only, name too long.
    """
    target = Path(path)
    part = target.parent / f".radseg-{secrets.token_hex(8)}.part"
    try:
        try:
            with part.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except RadsegError:
        raise
    except OSError as error:
        raise ResourceError(_reason(target, error)) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise ResourceError(f"{shown(target)} cannot be the name of a file: {error}.") from error


def write_bytes(path: str | Path, content: bytes) -> None:
    """Make `content` the file at `path`, whole or not at all; see `write_atomically`."""

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    write_atomically(path, write)


def clear_halves(folder: Path) -> None:
    """Delete the hidden files that `write_atomically` left in `folder` when it was killed."""
    for path in folder.glob(".radseg-*.part"):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        ResourceError: it cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(f"The folder {shown(folder)} cannot be made: {reason}.") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _reason(target: Path, error: OSError) -> str:
    name, folder = shown(target), shown(target.parent)
    elsewhere = "Choose another output folder"
    reasons = {
        errno.ENOSPC: f"The disk is full: {name} was not written. {elsewhere}, or free some space.",
        errno.EROFS: f"The disk of {folder} is read-only: {name} was not written. {elsewhere}.",
        errno.EACCES: f"No permission to write {name}. {elsewhere}, or allow it: chmod u+w {folder}",
        errno.ENOENT: f"There is no folder {folder}; {name} was not written. Create it: mkdir -p {folder}",
        errno.ENOTDIR: f"{folder} is not a folder; {name} was not written. {elsewhere}.",
        errno.EISDIR: f"{name} is a folder; name a file in it.",
        errno.ENAMETOOLONG: f"{name} was not written: a file name may have 255 bytes at most.",
    }
    same = {errno.EDQUOT: errno.ENOSPC, errno.EPERM: errno.EACCES, errno.ENOTEMPTY: errno.EISDIR}
    code = error.errno or 0
    return reasons.get(same.get(code, code), f"{name} was not written: {error.strerror or error}.")
