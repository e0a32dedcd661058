"""Some tensors of published safetensors files on a hub, copied as they are into one file of our own."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from radseg.errors import CheckpointError
from radseg.weights.fetch import Span, fetch, read_range
from radseg.weights.home import sha256_of
from radseg.weights.hub import RemoteFile
from radseg.weights.reporters import LOGGED, Reporter
from radseg.weights.tensors import DTYPES, read_safetensors, require_finite

MAX_HEADER = 32 * 1024 * 1024  # bytes; published headers are below 1 MB
_AHEAD = 128 * 1024  # bytes asked for at first; most headers fit


class Entry(NamedTuple):
    """Where a tensor's values lie in its file, and what they are, as its header says."""

    dtype: str
    shape: list[int]
    start: int
    stop: int


class Part(NamedTuple):
    """Tensors to take from one file, by the name they get."""

    source: RemoteFile
    tensors: Mapping[str, Entry]


def read_header(source: RemoteFile, reporter: Reporter = LOGGED) -> dict[str, Entry]:
    """Return what a remote safetensors file holds. Only its header is fetched.

    Raises:
        CheckpointError: it is no safetensors file, or its header lies.
        WeightsUnavailableError: it cannot be fetched.
    """
    ahead = read_range(source, 0, min(_AHEAD, source.size), reporter)
    (length,) = struct.unpack("<Q", ahead[:8].ljust(8, b"\xff"))
    if length > min(MAX_HEADER, source.size - 8):
        raise _damaged(source, f"its header claims {length} bytes, the file has {source.size}")
    try:
        text = ahead[8 : 8 + length]
        text += read_range(source, 8 + len(text), 8 + length, reporter) if len(text) < length else b""
        table: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k != "__metadata__"}
        return {name: _entry(source, entry, 8 + length) for name, entry in table.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(source, f"its header is not one ({str(error)[:200]})") from error


def _entry(source: RemoteFile, raw: Mapping[str, Any], data: int) -> Entry:
    start, stop = raw["data_offsets"]
    counts = [*raw["shape"], start, stop]
    if raw["dtype"] not in DTYPES or not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError(f"an entry is {str(raw)[:100]}")
    if prod(raw["shape"]) * DTYPES[raw["dtype"]].itemsize != stop - start:
        raise ValueError(f"a shape does not fill its {stop - start} bytes")
    if not start <= stop <= source.size - data:
        raise _damaged(source, f"a tensor ends at byte {data + stop}, the file at {source.size}")
    return Entry(raw["dtype"], raw["shape"], data + start, data + stop)


def _damaged(source: RemoteFile, why: str) -> CheckpointError:
    return CheckpointError(f"{source.name} is not a valid safetensors file: {why}. Fetch it again.")


class Layout(NamedTuple):
    """How a file is made of parts: its first bytes, and then the spans of other files that follow."""

    begin: bytes
    spans: tuple[Span, ...]


def layout(parts: Sequence[Part], metadata: Mapping[str, str]) -> Layout:
    """Return how a safetensors file of the tensors of `parts` is put together."""
    parts = [Part(p.source, dict(sorted(p.tensors.items(), key=lambda t: t[1].start))) for p in parts]
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    position = 0
    for name, entry in (item for part in parts for item in part.tensors.items()):
        stop = position + entry.stop - entry.start
        header[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [position, stop]}
        position = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return Layout(struct.pack("<Q", len(text)) + text, tuple(_spans(parts)))


def fetch_parts(target: Path, made_of: Layout, reporter: Reporter) -> str:
    """Write the tensors to `target`, complete and finite or not at all, and return its sha256.

    Raises:
        CheckpointError: a tensor holds NaN or infinity, or does not have the size its header says.
        WeightsUnavailableError, ResourceError: see `fetch.fetch`.
    """
    return fetch(target, *made_of, lambda part: _checked(part, target.name), reporter)


def _spans(parts: Sequence[Part]) -> Iterator[Span]:
    """Yield the bytes to fetch, tensors that follow each other in one request."""
    for source, tensors in parts:
        start = stop = -1
        for entry in tensors.values():
            if entry.start != stop:
                if stop > start:
                    yield Span(source, start, stop)
                start = entry.start
            stop = entry.stop
        if stop > start:
            yield Span(source, start, stop)


def _checked(path: Path, name: str) -> str:
    for key, tensor in read_safetensors(path).tensors.items():
        require_finite(key, tensor, name)
    return sha256_of(path)
