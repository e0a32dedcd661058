"""Text embeddings on disk: one small file per row, checked when read, bounded, safe with many processes."""

import contextlib
import hashlib
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from radseg.errors import NoteWarning, RadsegError
from radseg.files import make_folder, write_bytes

_FORMAT = "radseg-text-row/1"
_SUFFIX = ".safetensors"
_TENSOR = "row"
_ABANDONED_S = 3600.0  # a temporary file this old was left by a process that died
DEFAULT_LIMIT = 256 * 2**20  # about 55,000 rows of width 1152


@dataclass(frozen=True)
class TextCache:
    """Rows computed by one text tower, in a folder that other towers may share.

    A write is a temporary file and a rename, so readers see whole files and of two writers one wins. There is
    no fsync: every entry carries the hash of its content, and one cut by a crash is a miss and is removed.

    Attributes:
        folder: where the files go; made when first written.
        tower: identity of the tower, a hash of its weights, tokeniser and configuration; part of every name.
        limit: bytes the folder may hold after a write; the rows not used for longest go first.
    """

    folder: Path
    tower: str
    limit: int = DEFAULT_LIMIT

    def read(self, keys: Iterable[str]) -> dict[str, Float[Tensor, " e"]]:
        """Return the rows that are there and whole; a damaged one is removed and counts as absent."""
        found: dict[str, Tensor] = {}
        for key in keys:
            path = self._path(key)
            row = _read_row(path, self._name(key))
            if row is not None:
                found[key] = row
                with contextlib.suppress(OSError):
                    os.utime(path)  # "used now", for the order of removal
        return found

    def write(self, rows: Mapping[str, Float[Tensor, " e"]]) -> None:
        """Store rows, then remove the least recently used ones beyond `limit`.

        A folder that cannot be written gives a warning: the rows are right, the next run computes them again.
        """
        try:
            for key, row in rows.items():
                _write_row(self._path(key), self._name(key), row)
            _evict(self.folder, self.limit)
        except (RadsegError, OSError) as error:
            warnings.warn(
                f"Text embeddings cannot be kept in {self.folder}: {error} They will be computed again "
                "next time. Free some space there or set RADSEG_HOME to a folder that can be written.",
                NoteWarning,
                stacklevel=2,
            )

    def _name(self, key: str) -> str:
        return hashlib.sha256(f"{_FORMAT}\0{self.tower}\0{key}".encode()).hexdigest()

    def _path(self, key: str) -> Path:
        name = self._name(key)
        return self.folder / name[:2] / f"{name}{_SUFFIX}"


def _content_hash(row: Float[Tensor, " e"]) -> str:
    return hashlib.sha256(row.numpy().tobytes()).hexdigest()


def _read_row(path: Path, name: str) -> Float[Tensor, " e"] | None:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # A copy: staying mapped to a file that another process may rewrite ends in SIGBUS.
            row: Tensor = file.get_tensor(_TENSOR).clone()
    except OSError:  # absent, or not ours to read now: a miss, and no reason to remove another's file
        return None
    except (SafetensorError, ValueError):
        _discard(path)
        return None
    whole = row.dtype == torch.float32 and row.ndim == 1 and metadata.get("sha256") == _content_hash(row)
    if whole and metadata.get("name") == name:
        return row
    _discard(path)
    return None


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _write_row(path: Path, name: str, row: Float[Tensor, " e"]) -> None:
    row = row.detach().to("cpu", torch.float32).contiguous()
    content = save({_TENSOR: row}, {"format": _FORMAT, "name": name, "sha256": _content_hash(row)})
    make_folder(path.parent)
    write_bytes(path, content, durable=False)


def _evict(folder: Path, limit: int) -> None:
    """Bring the folder under `limit` bytes, oldest use first, and clear what dead writers left."""
    entries: list[tuple[float, int, Path]] = []
    now = time.time()
    for path in folder.glob("??/*"):
        with contextlib.suppress(FileNotFoundError):  # another process may be evicting too
            status = path.stat()
            if path.suffix == _SUFFIX:
                entries.append((status.st_mtime, status.st_size, path))
            elif now - status.st_mtime > _ABANDONED_S:
                _discard(path)
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= limit:
            return
        _discard(path)
        total -= size
