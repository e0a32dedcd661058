"""The safetensors format: a strict header reader that works on any byte source, and a streaming writer.

The header is a little-endian uint64 length, then a JSON object {name: {dtype, shape, data_offsets}}.
"""

import json
import os
import secrets
import struct
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch

from radseg.errors import CheckpointError, ResourceError
from radseg.weights.cache import discard, home
from radseg.weights.lazy import LazyTensor, require_finite, stored
from radseg.weights.ranges import RangeSource

MAX_HEADER = 32 * 1024 * 1024  # bytes; published headers are below 1 MB
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class SafeFile(NamedTuple):
    """What a safetensors file holds."""

    metadata: dict[str, str]
    tensors: dict[str, LazyTensor]


def read_safetensors(source: RangeSource) -> SafeFile:
    """Return the tensors of a safetensors file, unread, after checking that its header tells the truth.

    Raises:
        CheckpointError: the header lies about lengths, overlaps, leaves holes or names unknown types.
    """
    header, data_start = _read_header(source)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(source, "its metadata is not a table of strings")
    tensors, spans = {}, []
    for name, entry in header.items():
        tensor = _entry(source, name, entry, data_start)
        tensors[name] = tensor
        assert tensor.span is not None
        spans.append(tensor.span)
    _require_tiling(source, sorted(spans), data_start)
    return SafeFile(metadata, tensors)


def _read_header(source: RangeSource) -> tuple[dict[str, Any], int]:
    if source.size < 10:
        raise _damaged(source, f"it has only {source.size} bytes")
    (length,) = struct.unpack("<Q", source.read(0, 8))
    if length > min(MAX_HEADER, source.size - 8):
        raise _damaged(source, f"its header claims {length} bytes, the file has {source.size}")
    try:
        header = json.loads(bytes(source.read(8, 8 + length)), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(source, "its header is not a table")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _entry(source: RangeSource, name: str, entry: Any, data_start: int) -> LazyTensor:
    try:
        dtype, shape, (start, stop) = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
        counts = [*shape, start, stop]
        if not all(type(n) is int and n >= 0 for n in counts) or len(shape) > 8:
            raise ValueError("sizes and offsets must be whole numbers")
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(source, f"the entry of {name!r:.200} is not valid ({error})") from error
    if stop - start != prod(shape) * dtype.itemsize:
        raise _damaged(source, f"{name!r:.200} of shape {shape} does not fill its {stop - start} bytes")
    if data_start + stop > source.size:
        raise _damaged(source, f"{name!r:.200} ends at byte {data_start + stop}, the file at {source.size}")
    return stored(source, data_start + start, shape, dtype)


def _require_tiling(source: RangeSource, spans: list[tuple[int, int]], data_start: int) -> None:
    end = data_start
    for start, stop in spans:
        if start != end:
            raise _damaged(source, "its tensors overlap or leave holes")
        end = stop
    if end != source.size:
        raise _damaged(source, f"its tensors end at byte {end}, the file at {source.size}")


def _damaged(source: RangeSource, why: str) -> CheckpointError:
    return CheckpointError(
        f"{source.name} is not a valid safetensors file: {why}. Fetch or convert it again."
    )


Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in total."""


def write_safetensors(
    target: Path,
    tensors: Mapping[str, LazyTensor],
    metadata: Mapping[str, str],
    *,
    progress: Progress | None = None,
) -> None:
    """Write `tensors` to `target` one at a time: complete and checked, or not at all.

    Raises:
        CheckpointError: a tensor holds NaN or infinity.
        ResourceError: the folder cannot be written or the disk is full.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(header_of(tensors, metadata))
            _write_values(file, tensors, target.name, progress)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        hint = " Set RADSEG_HOME to another folder." if target.is_relative_to(home()) else ""
        raise ResourceError(f"Cannot write {target}: {error.strerror or error}.{hint}") from error
    finally:
        discard(part)


def header_of(tensors: Mapping[str, LazyTensor], metadata: Mapping[str, str]) -> bytes:
    """Return the beginning of a file that holds these tensors, values following in this order."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    position = 0
    for name, tensor in tensors.items():
        end = position + tensor.bytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_values(file: Any, tensors: Mapping[str, LazyTensor], name: str, progress: Progress | None) -> None:
    total, done = sum(t.bytes for t in tensors.values()), 0
    for key, lazy in tensors.items():
        tensor = lazy.load()
        assert tuple(tensor.shape) == lazy.shape, key
        assert tensor.dtype == lazy.dtype, key
        require_finite(key, tensor, name)
        file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        done += lazy.bytes
        if progress is not None:
            progress(done, total)
