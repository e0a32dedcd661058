"""JSON lines that survive a kill: on the disk when `append` returns; only the last can be torn."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class DurableLines:
    """Appends JSON objects to a file, one a line.

    Attributes:
        sound_bytes: where whole lines end; what lies behind is cut off when the file is opened.
    """

    def __init__(self, path: Path, sound_bytes: int) -> None:
        self.path = path
        self.sound_bytes = sound_bytes

    def __enter__(self) -> Self:
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        os.ftruncate(self._handle, self.sound_bytes)
        os.lseek(self._handle, 0, os.SEEK_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def append(self, value: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it.

        Raises:
            OSError: the disk is full; what was written of the line is removed again.
        """
        line = json.dumps(value, ensure_ascii=True).encode() + b"\n"
        start = os.lseek(self._handle, 0, os.SEEK_CUR)
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, start)
            os.lseek(self._handle, start, os.SEEK_SET)
            raise


def whole_lines(content: bytes) -> Iterator[bytes]:
    """Yield the lines of a file that are whole: a line counts only with its end."""
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return  # torn by a kill
        yield line
