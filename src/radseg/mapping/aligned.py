"""Aligned features beside a map, so that a second question costs no network: one file per tile.

The folder `aligned/<encoder>` of a map holds per tile, named after the hash of the tile's file, its keys and
its unit features in float16. A tile that changed has another hash, so its old file is never read, and is
removed. Deleting the folder loses nothing but time.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError, ResourceError
from radseg.files import clear_parts, make_folder, shown, write_bytes
from radseg.mapping.query import AlignedPart
from radseg.mapping.semantic_map import SemanticMap, StoredPart
from radseg.ops.cosine import unit_points
from radseg.ops.inference import inference
from radseg.ops.voxels import unpack

Align = Callable[[Float[Tensor, "m d"]], Float[Tensor, "m e"]]
"""Maps averaged backbone features to a text space; applied after averaging (mapping spec 2.8)."""

FOLDER = "aligned"
ROWS = 16384
"""Voxels that are aligned at once: 100 MB of hidden layer at a width of 1536."""


@dataclass(frozen=True)
class AlignedCache:
    """Aligned features of a stored map.

    Attributes:
        folder: of this encoder's files; see `AlignedCache.of`.
        align: makes what is missing; None where the map's values are in the text space already.
        identity: names align and its weights; other weights, other folder.
    """

    folder: Path
    align: Align | None
    identity: str

    @classmethod
    def of(cls, map_folder: Path, align: Align | None, identity: str) -> "AlignedCache":
        """Return the cache of one encoder in the folder of a map."""
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        return cls(map_folder / FOLDER / name, align, identity)

    def parts(
        self, semantic_map: SemanticMap, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[AlignedPart]:
        """Yield every tile of the map with aligned features, making and keeping those that are missing.

        Args:
            progress: called with (voxels done, voxels in all) after each tile.

        Raises:
            CheckpointError: a tile of the map is damaged.
            ResourceError: the cache cannot be written, or its folder is a link.
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
        """Make the folder, and remove what belongs to tiles that are no more."""
        for folder in (self.folder.parent, self.folder):
            if folder.is_symlink():  # a map may come from anywhere, and files are removed here
                raise ResourceError(f"{shown(folder)} is a link; it must be a folder. Remove it.")
        make_folder(self.folder)
        clear_parts(self.folder)
        note = json.dumps({"encoder": self.identity}, indent=1).encode() + b"\n"
        if not (self.folder / "encoder.json").exists():
            write_bytes(self.folder / "encoder.json", note)
        current = {
            file.name for p in semantic_map.parts if isinstance(p, StoredPart) for file in self._files(p)
        }
        for file in self.folder.glob("*.npy"):
            if file.name not in current:
                file.unlink()

    def _files(self, part: StoredPart) -> tuple[Path, Path]:
        name = part.shard.sha256[:32]
        return self.folder / f"{name}.keys.npy", self.folder / f"{name}.features.npy"

    def _load(self, part: StoredPart) -> AlignedPart | None:
        keys_file, features_file = self._files(part)
        try:
            keys = np.load(keys_file, allow_pickle=False)
            # Copy on write: torch wants a writable array, and nothing must reach the file.
            features = np.load(features_file, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError):  # absent, or cut short by a full disk: made again
            return None
        fits = keys.shape == (len(part), 3) and keys.dtype == np.int32
        if not fits or len(features) != len(part) or features.ndim != 2 or features.dtype != np.float16:
            return None
        return AlignedPart(torch.from_numpy(keys).long(), torch.from_numpy(features))

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


def delete_aligned(map_folder: Path) -> None:
    """Delete the aligned features of every encoder in the folder of a map; other files stay.

    Raises:
        ResourceError: the folder of the cache, or one in it, is a link.
    """
    root = map_folder / FOLDER
    for folder in (root, *(sorted(root.iterdir()) if root.is_dir() and not root.is_symlink() else ())):
        if folder.is_symlink():
            raise ResourceError(f"{shown(folder)} is a link; it must be a folder. Remove it.")
    for folder in (*root.glob("*/"), root):
        for file in (*folder.glob("*.npy"), folder / "encoder.json"):
            file.unlink(missing_ok=True)
        if folder.is_dir():
            clear_parts(folder)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())
