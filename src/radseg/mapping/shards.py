"""Tiles as safetensors files, named after place and content; read only if they are what they claim.

A large tile has a file of its own, small ones share one (`mapping.grouping`). Tensors: `indices` int32 "n 3",
tile after tile, in lexicographic order within each; `counts` int64 "n", `values` "n c" (absent where a map
has none) and `colours` "n 3" in the map's dtype.
"""

import hashlib
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.files import clear_parts, listed, shown, write_bytes
from radseg.mapping.description import PROBABILITIES, MapDescription
from radseg.mapping.tiles import SIDE, TileArrays, TileIndex
from radseg.ops.voxels import pack, unpack

FILE_NAME = re.compile(r"tile_-?\d{1,6}_-?\d{1,6}_-?\d{1,6}_[0-9a-f]{16}\.safetensors")
"""What a file of tiles may be called: no path separators, nothing that leads elsewhere."""
_MOST_PIXELS = 2**53
"""Of a voxel: sums of those of a thousand maps still fit into int64."""
_ROUNDING = 1e-3
"""Beyond 0 and 1, of means in float16: half a step below 1 is 0.00025, and every frame rounds once."""


@dataclass(frozen=True)
class Shard:
    """A file of tiles as the manifest knows it.

    Attributes:
        tiles: index and voxels of each tile in it, in ascending order of the indices.
        file: name within the folder of tiles, after its first tile.
        bytes: length of the file.
        sha256: of the whole file.
    """

    tiles: tuple[tuple[TileIndex, int], ...]
    file: str
    bytes: int
    sha256: str

    @property
    def rows(self) -> int:
        """Voxels in it."""
        return sum(rows for _, rows in self.tiles)

    @property
    def indices(self) -> tuple[TileIndex, ...]:
        """The tiles in it."""
        return tuple(index for index, _ in self.tiles)

    def span(self, index: TileIndex) -> tuple[int, int]:
        """Return the first row of one of its tiles, and the one behind its last."""
        start = 0
        for one, rows in self.tiles:
            if one == index:
                return start, start + rows
            start += rows
        raise KeyError(index)

    def are_own(self, indices: Int[Tensor, "m 3"], start: int = 0) -> bool:
        """Return whether these can be its voxels from row `start` on: in their tiles, each once, in order."""
        places = torch.tensor(self.indices).repeat_interleave(
            torch.tensor([rows for _, rows in self.tiles]), 0
        )
        places = places[start : start + len(indices)]
        if len(places) != len(indices) or bool((indices.div(SIDE, rounding_mode="floor") != places).any()):
            return False
        same = (places[1:] == places[:-1]).all(1)
        return bool((pack(indices).diff() > 0)[same].all())


def shard_name(first: TileIndex, sha256: str) -> str:
    """Return what the file of tiles with this first one and this hash is called."""
    return "tile_{}_{}_{}_{}.safetensors".format(*first, sha256[:16])


def write_shard(folder: Path, tiles: Sequence[tuple[TileIndex, TileArrays]]) -> Shard:
    """Write tiles, in ascending order, as one file, whole or not at all; equal contents give equal files.

    It is durable only after `files.sync_files`.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    arrays = TileArrays(*map(torch.cat, zip(*(one for _, one in tiles), strict=True)))
    tensors = {"indices": unpack(arrays.keys).int(), "counts": arrays.counts, "colours": arrays.colours}
    if arrays.values.shape[1]:
        tensors["values"] = arrays.values
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    sizes = tuple((index, len(one.keys)) for index, one in tiles)
    shard = Shard(sizes, shard_name(sizes[0][0], digest), len(content), digest)
    try:
        check_shard(folder, shard)  # the file of an earlier build may be there already
    except CheckpointError:
        write_bytes(folder / shard.file, content, durable=False)
    return shard


def check_shard(folder: Path, shard: Shard) -> Path:
    """Return the path of a shard's file after comparing its length and hash with what the manifest says.

    Raises:
        CheckpointError: the file is missing, a link, or not the one that was written.
    """
    path = folder / shard.file
    if not FILE_NAME.fullmatch(shard.file):
        raise CheckpointError(f"{shown(shard.file)!r} is not a file name of a map; it was tampered with.")
    if folder.is_symlink():  # a map may come from anywhere
        raise _damaged(folder, "it is a link, not a folder")
    if path.is_symlink() or not path.is_file():
        raise _damaged(path, "it is missing or not an ordinary file")
    if path.stat().st_size != shard.bytes:
        raise _damaged(path, f"it has {path.stat().st_size} bytes instead of {shard.bytes}")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != shard.sha256:
        raise _damaged(path, f"its SHA-256 is {digest[:16]}…, the manifest says {shard.sha256[:16]}…")
    return path


def read_shard(
    folder: Path, shard: Shard, description: MapDescription, *, start: int = 0, stop: int | None = None
) -> TileArrays:
    """Return voxels `start` to `stop` of a shard, memory-mapped, after checking types, shapes and places.

    Compare the hash first (`check_shard`): this looks only at what has to be true for the arrays to be used.

    Raises:
        CheckpointError: the file is not a tile of such a map.
    """
    path = folder / shard.file
    stop = shard.rows if stop is None else min(stop, shard.rows)
    try:
        with safe_open(path, "pt") as opened:
            file: Any = opened  # its methods carry no types
            _require_layout(path, file, shard, description)
            tensors = {name: file.get_slice(name)[start:stop] for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, f"it cannot be read ({error})") from error
    indices = tensors["indices"].long()
    if not shard.are_own(indices, start):
        raise _damaged(path, "it holds voxels that belong to another tile, or not in ascending order")
    keys = pack(indices)
    values = tensors.get("values", torch.empty(len(keys), 0, dtype=description.torch_dtype))
    arrays = TileArrays(keys, tensors["counts"], values, tensors["colours"])
    if fault := _fault_of(arrays, description):
        raise _damaged(path, fault)
    return arrays


def delete_tiles(folder: Path, keep: Collection[str]) -> None:
    """Delete files of tiles in `folder` that are not to be kept, and parts left by kill -9; nothing else."""
    clear_parts(folder)
    for path in list(folder.iterdir()):
        if FILE_NAME.fullmatch(path.name) and path.name not in keep:
            path.unlink(missing_ok=True)


def _require_layout(path: Path, file: Any, shard: Shard, description: MapDescription) -> None:
    number = {torch.float16: "F16", torch.float32: "F32"}[description.torch_dtype]
    expected = {"indices": ("I32", 3), "counts": ("I64", None), "colours": (number, 3)}
    if description.channels:
        expected["values"] = (number, description.channels)
    if set(file.keys()) != set(expected):
        raise _damaged(path, f"it holds {listed(sorted(file.keys()))}")
    for name, (dtype, columns) in expected.items():
        entry = file.get_slice(name)
        shape = [shard.rows] if columns is None else [shard.rows, columns]
        if (entry.get_dtype(), entry.get_shape()) != (dtype, shape):
            found = f"{entry.get_dtype()} {entry.get_shape()}"
            raise _damaged(path, f"{name} is {found} instead of {dtype} {shape}")


def _fault_of(arrays: TileArrays, description: MapDescription) -> str:
    """Return what no builder writes; empty if nothing. Hashes do not tell: a map's author makes them."""
    if not len(arrays.keys):
        return ""
    fewest, most = (int(count) for count in arrays.counts.aminmax())
    if fewest < 1 or most > _MOST_PIXELS:
        return f"a voxel has {fewest if fewest < 1 else most} pixels"
    shares = description.space == PROBABILITIES
    for name, array, bounded in (("values", arrays.values, shares), ("colours", arrays.colours, True)):
        if not array.shape[1]:
            continue
        low, high = (float(number) for number in array.aminmax())  # NaN where one is NaN
        if not (math.isfinite(low) and math.isfinite(high)):
            return f"its {name} are not finite"
        if bounded and not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            return f"its {name} go from {low:.3g} to {high:.3g}, not from 0 to 1"
    return ""


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{shown(path)} is damaged or was changed: {why}. Restore the map from a copy, or build it again."
    )
