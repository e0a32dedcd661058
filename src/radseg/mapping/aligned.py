"""Aligned features of stored maps, so that a second question costs no network.

They are kept on this machine and not in the map, which may come from anywhere: what somebody else aligned is
not believed. A folder per map and encoder holds per file of tiles, named after that file's hash, its keys and
its unit features in float16. A file that changed has another hash, so what was kept of the old one is never
read, and is removed. Deleting the folders loses nothing but time.
"""

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.files import clear_parts, make_folder, write_bytes
from radseg.mapping.query import AlignedPart
from radseg.mapping.semantic_map import SemanticMap, StoredPart
from radseg.ops.cosine import unit_points
from radseg.ops.inference import inference
from radseg.ops.voxels import unpack

Align = Callable[[Float[Tensor, "m d"]], Float[Tensor, "m e"]]
"""Maps averaged backbone features to a text space; applied after averaging (mapping spec 2.8)."""

ROWS = 16384
"""Voxels that are aligned at once: 100 MB of hidden layer at a width of 1536."""
LIMIT = 10 * 2**30
"""Bytes of all caches together, about four million voxels, before those not used for longest are deleted."""
_UNIT = 1.001  # no part of a unit vector is longer than 1, up to rounding to float16


@dataclass(frozen=True)
class AlignedCache:
    """Aligned features of a stored map.

    Attributes:
        folder: of this map's and encoder's files; see `AlignedCache.of`.
        align: makes what is missing; None where the map's values are in the text space already.
        width: channels of the text space.
    """

    folder: Path
    align: Align | None
    width: int

    @classmethod
    def of(cls, root: Path, align: Align | None, identity: str, width: int) -> "AlignedCache":
        """Return the cache of one map and encoder in the folder `root` of all of them.

        Args:
            identity: names the map, its basis, and all that `align` depends on; another one, another folder.
        """
        return cls(root / hashlib.sha256(identity.encode()).hexdigest()[:32], align, width)

    def parts(
        self, semantic_map: SemanticMap, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[AlignedPart]:
        """Yield every file of the map with aligned features, making and keeping those that are missing.

        Args:
            progress: called with (voxels done, voxels in all) after each file.

        Raises:
            CheckpointError: a file of the map is damaged.
            ResourceError: the cache cannot be written.
        """
        self._prepare(semantic_map)
        done = 0
        for part in semantic_map.parts:
            if not isinstance(part, StoredPart):
                raise InputError("Only a map on the disk has a cache of aligned features.")
            yield self._load(part) or self._make(part)
            done += len(part)
            if progress:
                progress(done, len(semantic_map))

    def _prepare(self, semantic_map: SemanticMap) -> None:
        """Make the folder, and remove what belongs to files that are no more and caches beyond the limit."""
        make_folder(self.folder)
        clear_parts(self.folder)
        os.utime(self.folder)  # "used now", for the order of removal
        current = {
            file.name for p in semantic_map.parts if isinstance(p, StoredPart) for file in self._files(p)
        }
        for file in self.folder.glob("*.npy"):
            if file.name not in current:
                file.unlink(missing_ok=True)
        _evict(self.folder, LIMIT)

    def _files(self, part: StoredPart) -> tuple[Path, Path]:
        name = part.shard.sha256[:32]
        return self.folder / f"{name}.keys.npy", self.folder / f"{name}.features.npy"

    def _load(self, part: StoredPart) -> AlignedPart | None:
        """Return what is kept of a file; None where nothing is, or what this encoder never made of it."""
        keys_file, features_file = self._files(part)
        try:  # copy on write: torch wants a writable array, and nothing must reach the file
            stored = np.lib.format.open_memmap(keys_file, mode="c")
            features = np.lib.format.open_memmap(features_file, mode="c")
        except (OSError, ValueError, EOFError, OverflowError, TypeError):  # absent, cut short, another form
            return None
        if stored.shape != (len(part), 3) or stored.dtype != np.int32:
            return None
        if features.shape != (len(part), self.width) or features.dtype != np.float16:
            return None
        keys, values = torch.from_numpy(stored).long(), torch.from_numpy(features)
        return AlignedPart(keys, values) if part.shard.are_own(keys) and _are_unit(values) else None

    @inference()
    def _make(self, part: StoredPart) -> AlignedPart:
        keys, features = [], []
        for start in range(0, len(part), ROWS):
            arrays = part.read(start, start + ROWS)
            keys.append(unpack(arrays.keys))
            values = arrays.values.float()
            features.append(unit_points(values if self.align is None else self.align(values)).half())
        joined = AlignedPart(torch.cat(keys), torch.cat(features))
        keys_file, features_file = self._files(part)
        _save(keys_file, joined.keys.int().numpy())
        _save(features_file, joined.features.numpy())
        return joined


def aligned_parts(semantic_map: SemanticMap, align: Align | None) -> Iterator[AlignedPart]:
    """Yield the voxels of a map, aligned on the way and kept nowhere: for maps in memory."""
    for chunk in semantic_map.chunks(ROWS):
        yield AlignedPart(chunk.keys, unit_points(chunk.values if align is None else align(chunk.values)))


def _are_unit(features: Float[Tensor, "m e"]) -> bool:
    """Return whether all numbers are those of unit vectors, or zero; NaN is none."""
    low, high = features.aminmax()
    return float(low) >= -_UNIT and float(high) <= _UNIT


def _evict(current: Path, limit: int) -> None:
    """Delete the caches not used for longest, but not the current one, until all are within `limit` bytes."""
    with contextlib.suppress(OSError):  # another process may be evicting too
        folders = sorted(current.parent.iterdir(), key=lambda folder: folder.stat().st_mtime)
        sizes = [sum(file.stat().st_size for file in folder.glob("*.npy")) for folder in folders]
        excess = sum(sizes) - limit
        for folder, size in zip(folders, sizes, strict=True):
            if excess <= 0:
                return
            if folder != current:
                shutil.rmtree(folder, ignore_errors=True)
                excess -= size


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())
