"""Files that appear whole or not at all, the folders they go to, and what the bytes of a text file say.

The one writer of the package. It knows only `errors`, so that every room may use it: `io` loads numpy and
Pillow, which `weights`, `jobs` and the command line must not.
"""

import codecs
import contextlib
import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from radseg.errors import InputError, MissingFileError, OutputPathError, RadsegError, ResourceError

_BINARY = getattr(os, "O_BINARY", 0)  # Windows
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | _BINARY
"""Flags for `os.open`: bytes as they are, and an error where the last part of the path is a link."""
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | _BINARY
MAX_BYTES = 64 * 2**20
"""Largest text or depth file that is read; a pose file of an hour at 30 Hz has 20 MB."""
_PATH_ERRORS = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOTEMPTY,
        errno.EILSEQ,
    }
)
"""What the system says about one path and not about the disk."""


def shown(path: str | Path) -> str:
    """Return a path for use in a message: on one line, odd characters escaped."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def shortened(text: str, most: int = 200) -> str:
    """Return foreign text for use in a message: one line, odd characters escaped, `most` letters at most."""
    line = shown(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 frame", "1,200 frames"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int = 6) -> str:
    """Return names of a foreign file for use in a message: the first of them, each shortened."""
    every = list(names)
    return ", ".join(shortened(name, 80) for name in every[:most]) + (", …" if len(every) > most else "")


def without_folders(text: str, *folders: Path) -> str:
    """Return a message as it may stand in a file that is handed on: no absolute path of these folders in it.

    What lies below one of them becomes relative to it, the folder its own name, and the home folder `~`.
    """
    absolute = {form for folder in folders for form in (os.path.abspath(folder), os.path.realpath(folder))}  # noqa: PTH100
    for whole in sorted(absolute - {os.sep}, key=len, reverse=True):
        for form in (whole, shown(whole)):
            text = text.replace(f"{form}{os.sep}", "").replace(form, Path(form).name)
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    return text.replace(home, "~") if len(home) > 1 else text


def open_regular(path: str | Path, *, most: int | None = MAX_BYTES) -> BufferedReader:
    """Open a file for reading that is none of what hangs or never ends: a FIFO, a device.

    Args:
        most: bytes it may have; None leaves that to the reader.

    Raises:
        InputError: not a regular file, too large, or a name that no file can have.
        OSError: as `open`.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _NO_WAIT)
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{shown(path)} cannot be the name of a file: {error}.") from error
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"{shown(path)} is not a regular file. Put one in its place.")
        if most is not None and state.st_size > most:
            raise InputError(f"{shown(path)} has {state.st_size:,} bytes; at most {most:,} are read.")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def name_of(source: "str | Path | BinaryIO") -> str:
    """Return a path, or the name of an open file, for use in a message."""
    if isinstance(source, str | Path):
        return shown(source)
    name = getattr(source, "name", None)
    return shown(name) if isinstance(name, str) and name else f"the {type(source).__name__}"


def ending_of(source: "str | Path | BinaryIO", otherwise: str) -> str:
    """Return the ending of a file's name, with its dot; `otherwise` for an open file without a name."""
    name = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return Path(name).suffix if isinstance(name, str | Path) else otherwise


def opened(source: "str | Path | BinaryIO") -> AbstractContextManager[BinaryIO]:
    """Return a file of any size opened as by `open_regular`, or an open one as it is, which stays open."""
    if isinstance(source, str | Path):
        return open_regular(source, most=None)
    return contextlib.nullcontext(source)


def bytes_of(path: str | Path, *, most: int = MAX_BYTES) -> bytes:
    """Return what a regular file holds; raises as `open_regular`."""
    with open_regular(path, most=most) as stream:
        return stream.read(most)


def given_bytes(path: Path, what: str) -> bytes:
    """Return what a file holds that a person named; `what` stands for it in messages.

    Raises:
        MissingFileError: it does not exist, or is a folder.
        InputError: it is what hangs or never ends, has more than MAX_BYTES, or cannot be read.
    """
    if path.is_dir():
        raise MissingFileError(f"The {what} {shown(path)} is a folder; name a file.")
    try:
        return bytes_of(path)
    except FileNotFoundError as error:
        raise MissingFileError(f"The {what} {shown(path)} does not exist.") from error
    except InputError as error:
        raise InputError(f"The {what} cannot be read: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"The {what} {shown(path)} cannot be read: {reason}.") from error


def is_pipe(path: Path) -> bool:
    """Whether a path is `-`, standard input, or what a shell hands over for `<(…)`; no FIFO with a name."""
    return str(path) == "-" or (str(path.parent) in ("/dev/fd", "/proc/self/fd") and path.is_fifo())


def given_or_piped_bytes(path: Path, what: str) -> bytes:
    """Return what `given_bytes` does, or what comes out of a pipe up to its end: see `is_pipe`.

    Raises:
        As `given_bytes`; more than MAX_BYTES come out of the pipe.
    """
    if not is_pipe(path):
        return given_bytes(path, what)
    if str(path) == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"The {what} {path} does not end; at most {MAX_BYTES:,} bytes are read.")
    return content


def text_of(content: bytes) -> str:
    """Return the text in a file's bytes: UTF-8, or UTF-16 where a byte-order mark says so, without the mark.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, ended by LF, CR LF or CR.

    `str.splitlines` also cuts at VT, FF, NEL, U+2028 and U+2029, which names of files may hold.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def json_of(text: str | bytes) -> Any:
    """Return the value that a JSON text holds.

    Raises:
        ValueError: it is none, or nested deeper than can be read: what is wrong is then the text.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_bytes(path: str | Path, content: bytes, *, durable: bool = True) -> None:
    """Make `content` the file at `path`, whole or not at all; see `write_pieces`."""
    write_pieces(path, (content,), durable=durable)


def write_to(target: "str | Path | BinaryIO", content: bytes) -> None:
    """Make `content` the file at a path, as `write_bytes`, or write it to an open file, which stays open.

    Raises:
        InputError: the open file takes text.
        ResourceError: as `write_pieces`.
    """
    if isinstance(target, str | Path):
        write_bytes(target, content)
        return
    with failures_named(Path(name_of(target))):
        try:
            target.write(content)
        except TypeError as error:
            raise InputError(f"{name_of(target)} takes text; open it for bytes: open(…, 'wb').") from error


def write_pieces(path: str | Path, pieces: Iterable[bytes], *, durable: bool = True) -> None:
    """Make the bytes of `pieces` the file at `path`; it is replaced only when all of them are on the disk.

    They go to a new hidden file in the same folder, are synced, and take the final name in one step; a link
    at `path` is replaced, never written through. Whatever fails, making the pieces included, an old file
    stays as it was and nothing else is left behind; after `kill -9` a file named `.radseg-*.part` may remain:
    see `clear_parts`. Pieces are bytes and not a stream: Pillow's JPEG encoder writes to the descriptor of a
    file and takes no notice where a full disk cuts it short.

    Args:
        durable: wait until the disk has file and name; False is for what is checked when it is read, or is
            synced with others (`sync_files`).

    Raises:
        OutputPathError: the name is too long, a folder is in its place, a file in place of its folder.
        ResourceError: no such folder, no permission, disk full or read-only.
    """
    target = Path(path)
    part = target.parent / f".radseg-{secrets.token_hex(8)}.part"
    with failures_named(target):
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        try:
            try:
                for piece in pieces:
                    write_all(handle, piece)
                if durable:
                    os.fsync(handle)
            finally:
                os.close(handle)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(target.parent)


def write_all(handle: int, content: bytes) -> None:
    """Write all of `content` to an open file; one call of the system may write a part of it."""
    view = memoryview(content).cast("B")
    while view:
        view = view[os.write(handle, view) :]


def clear_parts(folder: Path) -> None:
    """Delete the hidden files that a killed writer left in `folder`."""
    if not os.path.isdir(folder):  # noqa: PTH112 - pathlib's raises where a name is too long
        return
    for path in folder.glob(".radseg-*.part"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        InputError: it is a file.
        OutputPathError: a part of its name is too long, or one above it is a file.
        ResourceError: it cannot be made or written to.
    """
    name = shown(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"The folder {name} is a file. Name another.") from error
    except OSError as error:
        raise _kind(error)(f"The folder {name} cannot be made: {error.strerror or error}.") from error
    if not os.access(folder, os.W_OK):
        raise ResourceError(f"The folder {name} is not writable. Name another.")


@contextlib.contextmanager
def failures_named(target: Path) -> Iterator[None]:
    """Turn what the system says while `target` is written into a ResourceError: what, and the way out."""
    try:
        yield
    except RadsegError:
        raise  # from making the content; some of ours are OSErrors too
    except OSError as error:
        raise _kind(error)(_reason(target, error)) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise OutputPathError(f"{shown(target)} cannot be the name of a file: {error}.") from error


def is_about_path(error: OSError) -> bool:
    """Whether an error of the system concerns one path and says nothing about the disk."""
    return error.errno in _PATH_ERRORS


def _kind(error: OSError) -> type[ResourceError]:
    return OutputPathError if is_about_path(error) else ResourceError


def sync_files(folder: Path, names: Iterable[str]) -> None:
    """Make files that were written with `durable=False`, and their names, durable: the folder once for all.

    Raises:
        ResourceError: the disk is full or fails.
    """
    for name in names:
        with failures_named(folder / name):
            handle = os.open(folder / name, os.O_RDWR | NO_LINK)  # Windows syncs only what can be written
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    with failures_named(folder):
        sync_folder(folder)


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
        errno.ELOOP: f"{name} is a link, and was not written through. Remove it.",
        errno.ENAMETOOLONG: f"{name} was not written: a file name may have 255 bytes at most.",
    }
    same = {errno.EDQUOT: errno.ENOSPC, errno.EPERM: errno.EACCES, errno.ENOTEMPTY: errno.EISDIR}
    code = error.errno or 0
    return reasons.get(same.get(code, code), f"{name} was not written: {error.strerror or error}.")
