"""Some tensors of published safetensors files, copied as they are into one file of our own.

The bytes come in slices, straight into a file beside the target that already has the target's layout. Its
name is made from what the sources are, so a later run goes on only with the very same content; two runs at
once write the same bytes to the same places.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from radseg.errors import CheckpointError, ResourceError
from radseg.weights.cache import discard
from radseg.weights.fetch import require_space
from radseg.weights.hub import ContentChangedError
from radseg.weights.lazy import LazyTensor, require_finite
from radseg.weights.ranges import FileSource, RangeSource, coalesce
from radseg.weights.safefile import Progress, header_of, read_safetensors

SLICE = 16 * 1024 * 1024  # bytes asked for at once, held in memory, and lost at most when the run is killed


class Chosen(NamedTuple):
    """Tensors to take from one source, by the name they get; each has its `span` there."""

    source: RangeSource
    tensors: Mapping[str, LazyTensor]


class _Slice(NamedTuple):
    source: RangeSource
    start: int
    stop: int
    wanted: tuple[tuple[int, int], ...]  # the rest lies between tensors and is not kept

    @property
    def kept(self) -> int:
        return sum(b - a for a, b in self.wanted)


def write_parts(
    target: Path, chosen: Sequence[Chosen], metadata: Mapping[str, str], *, progress: Progress | None = None
) -> None:
    """Write the chosen tensors to `target`: complete and finite, or not at all.

    Args:
        target: the finished file.
        chosen: what to copy; only these bytes are read from the sources.
        metadata: of the new file.
        progress: called with bytes done and in total while they arrive.

    Raises:
        WeightsUnavailableError: a source fails; what came so far is kept for the next run.
        CheckpointError: a tensor holds NaN or infinity.
        ResourceError: the disk is full or cannot be written.
    """
    chosen = [Chosen(c.source, dict(sorted(c.tensors.items(), key=lambda t: _span(t[1])))) for c in chosen]
    header = header_of({k: t for c in chosen for k, t in c.tensors.items()}, metadata)
    part = target.with_name(f".{target.name}.{_identity(chosen, header)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for other in target.parent.glob(f".{target.name}.*.part"):
            if other != part:
                discard(other)
        _fill(part, target, header, list(_slices(chosen)), progress)
        _require_finite(part, target.name)
        _finish(part, target)
    except (CheckpointError, ContentChangedError):
        discard(part)
        raise
    except OSError as error:
        if isinstance(error, ResourceError):
            raise
        raise ResourceError(
            f"Cannot write {target}: {error.strerror or error}. Set RADSEG_HOME to another folder."
        ) from error


def _span(tensor: LazyTensor) -> tuple[int, int]:
    assert tensor.span is not None
    return tensor.span


def _identity(chosen: Sequence[Chosen], header: bytes) -> str:
    marks = [[c.source.name, c.source.size, c.source.identity] for c in chosen]
    spans = [_span(t) for c in chosen for t in c.tensors.values()]
    if not all(c.source.identity for c in chosen):
        marks.append([secrets.token_hex(8)])  # nothing to recognise the content by: never go on with it
    return hashlib.sha256(json.dumps([marks, spans]).encode() + header).hexdigest()[:24]


def _slices(chosen: Sequence[Chosen]) -> Iterator[_Slice]:
    for source, tensors in chosen:
        spans = [_span(t) for t in tensors.values()]
        for begin, end in coalesce(spans):
            inside = [s for s in spans if begin <= s[0] < s[1] <= end]
            for start in range(begin, end, SLICE):
                stop = min(end, start + SLICE)
                wanted = tuple((max(a, start), min(b, stop)) for a, b in inside if a < stop and b > start)
                if wanted:
                    yield _Slice(source, start, stop, wanted)


def _fill(
    part: Path, target: Path, header: bytes, slices: Sequence[_Slice], progress: Progress | None
) -> None:
    total = sum(s.kept for s in slices)
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b") as file:
        have = file.seek(0, os.SEEK_END)
        require_space(target, len(header) + total - have)
        if have < len(header):
            file.seek(0)
            file.write(header)
        position = len(header)
        for piece in slices:
            if position + piece.kept > have:
                _copy(file, position, piece)
            position += piece.kept
            if progress is not None:
                progress(position - len(header), total)


def _copy(file: BinaryIO, position: int, piece: _Slice) -> None:
    data = piece.source.read(piece.start, piece.stop)
    file.seek(position)
    for a, b in piece.wanted:
        file.write(data[a - piece.start : b - piece.start])
    file.flush()
    os.fsync(file.fileno())  # the length of the file is what the next run trusts


def _require_finite(part: Path, name: str) -> None:
    for key, tensor in read_safetensors(FileSource(part)).tensors.items():
        require_finite(key, tensor.load(), name)


def _finish(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except FileNotFoundError:
        if not target.is_file():  # else another run finished the same file first
            raise
