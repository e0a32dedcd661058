"""Bytes by position: one small interface over a local file and a remote one, and reads planned ahead.

A converter asks a source for the ranges it needs; nothing else is read, sent or kept.
"""

import io
import mmap
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from radseg.errors import CheckpointError, MissingFileError

COALESCE_GAP = 256 * 1024  # bytes; below this one longer request is cheaper than a second round trip


class RangeSource(Protocol):
    """Something of known length that hands out ranges of its bytes."""

    @property
    def name(self) -> str:
        """What error messages call it."""
        ...

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    @property
    def identity(self) -> str:
        """What stays the same exactly as long as the content does; "" if nothing promises that."""
        ...

    def read(self, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop), writable without changing the source.

        Raises:
            CheckpointError: the range does not lie inside the source.
        """
        ...


def require_inside(source: RangeSource, start: int, stop: int) -> None:
    """Raise CheckpointError unless [start, stop) lies inside `source`."""
    if not 0 <= start <= stop <= source.size:
        raise CheckpointError(
            f"{source.name} is damaged or cut short: bytes {start}–{stop} are needed, it has {source.size}."
        )


class FileSource:
    """A local file, mapped into memory: ranges are views, read from disk when touched, never copied."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingFileError(f"There is no file {path}.")
        self.path = path
        self._size = path.stat().st_size
        if self._size == 0:
            raise CheckpointError(f"{path.name} is empty (0 bytes). Fetch it again.")
        with path.open("rb") as file:
            # copy-on-write: torch wants writable memory, the file must never change
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    @property
    def identity(self) -> str:
        """Path, length and time of change."""
        return f"{self.path.resolve()} {self._size} {self.path.stat().st_mtime_ns}"

    def read(self, start: int, stop: int) -> memoryview:
        """Return a view of the bytes [start, stop)."""
        require_inside(self, start, stop)
        return memoryview(self._map)[start:stop]


class PrefetchedSource:
    """A source of which some ranges have been read ahead; the rest goes through."""

    def __init__(self, source: RangeSource, spans: Iterable[tuple[int, int]]) -> None:
        self._source = source
        self._chunks = [(a, source.read(a, b)) for a, b in coalesce(spans)]
        self._starts = [start for start, _ in self._chunks]

    @property
    def name(self) -> str:
        """The name of the source behind."""
        return self._source.name

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._source.size

    @property
    def identity(self) -> str:
        """The identity of the source behind."""
        return self._source.identity

    def read(self, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop), from memory where they were read ahead."""
        index = bisect_right(self._starts, start) - 1
        if index >= 0:
            begin, chunk = self._chunks[index]
            if stop <= begin + len(chunk):
                return chunk[start - begin : stop - begin]
        return self._source.read(start, stop)


def coalesce(spans: Iterable[tuple[int, int]], *, gap: int = COALESCE_GAP) -> list[tuple[int, int]]:
    """Return the spans in order, joined where they touch, overlap or lie less than `gap` bytes apart."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


class SourceReader(io.RawIOBase):
    """A source as a seekable read-only file, for `zipfile`."""

    def __init__(self, source: RangeSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes from the position on."""
        left = max(0, self._source.size - self._position)
        count = left if size is None or size < 0 else min(size, left)
        data = bytes(self._source.read(self._position, self._position + count)) if count else b""
        self._position += count
        return data
