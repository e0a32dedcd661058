"""A finished map: read in chunks, from a folder or from memory, without the network that made its values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.mapping.compression import Basis, read_basis
from radseg.mapping.description import MapDescription
from radseg.mapping.manifest import TILES, read_manifest
from radseg.mapping.shards import Shard, check_shard, read_shard
from radseg.mapping.sightings import Sightings, read_sightings
from radseg.mapping.tiles import TileArrays
from radseg.ops.inference import without_autocast
from radseg.ops.voxels import unpack

ROWS = 65536
"""Voxels of a chunk by default: 200 MB of float32 at 768 channels."""


class Chunk(NamedTuple):
    """Some voxels of a map.

    Attributes:
        keys: voxel indices, int64; centre = index · voxel size.
        values: mean features or probabilities, float32.
        weights: pixels that were averaged; whole numbers as float32.
        colours: mean colour in [0, 1], float32.
    """

    keys: Int[Tensor, "m 3"]
    values: Float[Tensor, "m c"]
    weights: Float[Tensor, " m"]
    colours: Float[Tensor, "m 3"]


class Part(Protocol):
    """A piece of a map that can be read by rows."""

    def __len__(self) -> int:
        """Voxels in it."""

    def read(self, start: int, stop: int) -> TileArrays:
        """Return some of its voxels, tile after tile, in ascending order of keys within each."""


@dataclass(frozen=True, repr=False)
class SemanticMap:
    """Voxels with values, colours and weights, and what they mean.

    Attributes:
        description: voxel size, space, names, encoder.
        parts: the pieces, no voxel in two of them.
        digest: equal for equal maps; what a cache of something derived should be named after.
        build: what the builder noted: parameters, frames, skipped frames with reasons.
        channels: length of a voxel's value as it is read, that is, before compression.
        load_sightings: gives what its frames saw; None where nobody noted it.
    """

    description: MapDescription
    parts: Sequence[Part]
    digest: str
    build: Mapping[str, Any]
    channels: int
    load_sightings: Callable[[], Sightings | None] = lambda: None

    @classmethod
    def open(cls, path: str | Path) -> "SemanticMap":
        """Return the map in the folder `path`; voxels are read, and their files checked, when asked for.

        Raises:
            MissingFileError: no such map.
            InputError: a format this version does not know.
            CheckpointError: the manifest is damaged; chunks raise it for a damaged or exchanged file.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        what = manifest.description
        basis = read_basis(folder, what.basis, what.channels) if what.basis else None
        parts = [StoredPart(folder / TILES, shard, what, basis) for shard in manifest.shards]
        width = what.channels if basis is None else basis.width
        noted = manifest.sightings
        return cls(
            what,
            parts,
            manifest.digest,
            manifest.build,
            width,
            lambda: read_sightings(folder, noted) if noted else None,
        )

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __repr__(self) -> str:
        return f"SemanticMap({len(self):,} voxels of {self.voxel_size:g} m, {self.channels} × {self.space!r})"

    @property
    def voxel_size(self) -> float:
        """Side of a voxel in metres."""
        return self.description.voxel_size

    @property
    def space(self) -> str:
        """Where the values live; see MapDescription."""
        return self.description.space

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels of a probability map, otherwise empty."""
        return self.description.names

    @property
    def meta(self) -> dict[str, Any]:
        """Description, digest and build notes as JSON values."""
        return self.description.as_json() | {"digest": self.digest, "build": dict(self.build)}

    def chunks(self, rows: int = ROWS) -> Iterator[Chunk]:
        """Yield all voxels, at most `rows` at a time, tile by tile; the order is the same every time."""
        for part in self.parts:
            for start in range(0, len(part), rows):
                yield _chunk(part.read(start, start + rows))

    def keys(self, rows: int = ROWS) -> Iterator[Int[Tensor, "m 3"]]:
        """Yield the voxel indices of `chunks(rows)`."""
        for chunk in self.chunks(rows):
            yield chunk.keys

    @without_autocast()
    def whole(self) -> Chunk:
        """Return all voxels at once, in lexicographic order of their indices; they must fit into memory."""
        parts = [part.read(0, len(part)) for part in self.parts]
        c, dtype = self.channels, self.description.torch_dtype
        parts.append(
            TileArrays(
                torch.empty(0, dtype=torch.int64),
                torch.empty(0, dtype=torch.int64),
                torch.empty(0, c, dtype=dtype),
                torch.empty(0, 3, dtype=dtype),
            )
        )
        joined = [torch.cat(arrays) for arrays in zip(*parts, strict=True)]
        order = joined[0].argsort()
        return _chunk(TileArrays(*(array[order] for array in joined)))


class StoredPart:
    """A file of tiles, whose hash is compared before the first read."""

    def __init__(
        self, folder: Path, shard: Shard, description: MapDescription, basis: Basis | None = None
    ) -> None:
        self.folder = folder
        self.shard = shard
        self.description = description
        self.basis = basis
        self._checked = False

    def __len__(self) -> int:
        return self.shard.rows

    def read(self, start: int, stop: int) -> TileArrays:
        """Return some voxels, their values restored where they are compressed.

        Raises:
            CheckpointError: the file is missing, damaged or exchanged.
        """
        if not self._checked:
            check_shard(self.folder, self.shard)
            self._checked = True
        arrays = read_shard(self.folder, self.shard, self.description, start=start, stop=stop)
        if self.basis is None:
            return arrays
        return arrays._replace(values=self.basis.restore(arrays.values))


@dataclass(frozen=True)
class ArraysPart:
    """Voxels in memory."""

    arrays: TileArrays

    def __len__(self) -> int:
        return len(self.arrays.keys)

    def read(self, start: int, stop: int) -> TileArrays:
        """Return some voxels."""
        return TileArrays(*(array[start:stop] for array in self.arrays))


def _chunk(arrays: TileArrays) -> Chunk:
    return Chunk(unpack(arrays.keys), arrays.values.float(), arrays.counts.float(), arrays.colours.float())
