"""Reading the small files of a map folder, which may come from anywhere: never a link or a pipe."""

import os
import stat
from pathlib import Path

from radseg.files import NO_LINK


def read_plain(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of an ordinary file of at most `max_bytes`.

    Raises:
        OSError: it is missing, or cannot be read.
        ValueError: it is a link, a device, a pipe or a folder, or larger.
    """
    if path.is_symlink():  # said before the system's "too many levels"; NO_LINK holds whatever happens since
        raise ValueError("it is a link, not an ordinary file")
    handle = os.open(path, os.O_RDONLY | NO_LINK | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait forever
    with os.fdopen(handle, "rb") as stream:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("it is not an ordinary file")
        if state.st_size > max_bytes:
            raise ValueError("it is too large")
        return stream.read(max_bytes)
