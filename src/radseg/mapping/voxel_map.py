"""A map that grows: tiles in memory within a byte budget, the least recently used ones in files.

A frame touches the tiles it sees and nothing else, so its cost does not depend on the size of the map.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from pathlib import Path

import torch

from radseg.budget import MIB
from radseg.errors import InputError, MemoryBudgetError, ResourceError
from radseg.files import sync_files
from radseg.mapping.description import MapDescription
from radseg.mapping.grouping import groups_of
from radseg.mapping.manifest import TILES, MapManifest
from radseg.mapping.semantic_map import ArraysPart, SemanticMap
from radseg.mapping.shards import Shard, check_shard, delete_tiles, read_shard, write_shard
from radseg.mapping.tiles import Tile, TileArrays, TileIndex, tile_ids, tile_index
from radseg.ops.inference import without_autocast
from radseg.ops.voxels import VoxelSums


class VoxelMap:
    """Means per voxel, exact counts, found by tile and key.

    Args:
        description: what the values are.
        folder: of the map; tiles that leave memory go to its subfolder `tiles`. None keeps all in memory.
        budget: bytes of tiles in memory and of what `leave_room` asks for; the tile in use stays even if it
            is larger. None has no limit.
        shards: tiles that `folder` holds already, of a build that goes on.
        keep: files of another map in `folder`, which stay.

    Raises:
        InputError: a budget without a folder.
    """

    def __init__(
        self,
        description: MapDescription,
        *,
        folder: Path | None = None,
        budget: int | None = None,
        shards: Iterable[Shard] = (),
        keep: Collection[str] = (),
    ) -> None:
        if budget is not None and folder is None:
            raise InputError("A map with a byte budget needs a folder for the tiles that leave memory.")
        self.description = description
        self.budget = budget
        self.folder = None if folder is None else folder / TILES
        self._resident: OrderedDict[TileIndex, Tile] = OrderedDict()
        self._shards = {index: shard for shard in shards for index in shard.indices}
        self._keep = frozenset(keep)
        self._named = {shard.file for shard in self._shards.values()} | self._keep
        """Files that a manifest on disk names: not to be deleted before the next manifest is written."""
        self._unchecked = {shard.file for shard in self._shards.values()}
        self._unsynced = set[str]()
        self._bytes = 0
        self._beside = 0

    def __len__(self) -> int:
        return sum(self._rows().values())

    @property
    def resident_bytes(self) -> int:
        """Memory of the tiles that are not in files."""
        return self._bytes

    def leave_room(self, beside: int, what: str) -> None:
        """Let tiles go until this many bytes of the budget are free, and keep them free from now on.

        Args:
            what: takes them, for the message.

        Raises:
            MemoryBudgetError: the whole budget does not suffice.
            ResourceError: as `add`.
        """
        if self.budget is not None and beside > self.budget:
            raise MemoryBudgetError(
                f"{what} needs {-(-beside // MIB)}MiB of memory; the budget is {self.budget / MIB:.4g}MiB. "
                f"Allow it with --memory-budget {-(-beside // MIB)}MiB."
            )
        self._beside = beside
        self._evict()

    @without_autocast()
    def add(self, sums: VoxelSums) -> None:
        """Merge the sums of one frame, or of a part of another map, into the map.

        Raises:
            ResourceError: a tile had to leave memory and the disk is full. The map is then incomplete.
        """
        ids = tile_ids(sums.keys)
        order = ids.argsort(stable=True)  # keys stay ascending within each tile
        found, lengths = torch.unique_consecutive(ids[order], return_counts=True)
        for tile_id, rows in zip(found.tolist(), order.split(lengths.tolist()), strict=True):
            self._add_to(tile_index(tile_id), VoxelSums(*(array[rows] for array in sums)))

    def _add_to(self, index: TileIndex, sums: VoxelSums) -> None:
        tile = self._tile(index)
        before = tile.bytes
        tile.add(sums)
        self._bytes += tile.bytes - before
        self._evict()

    def _tile(self, index: TileIndex) -> Tile:
        """Return a tile, brought back from its file or new, as the most recently used one."""
        if index not in self._resident:
            known = index in self._shards
            tile = Tile.of(self.description, self._read(index)) if known else Tile(self.description)
            self._resident[index] = tile
            self._bytes += tile.bytes
        self._resident.move_to_end(index)
        return self._resident[index]

    def _read(self, index: TileIndex) -> TileArrays:
        folder, shard = self._folder(), self._shards[index]
        if shard.file in self._unchecked:
            check_shard(folder, shard)
            self._unchecked.discard(shard.file)
        start, stop = shard.span(index)
        return read_shard(folder, shard, self.description, start=start, stop=stop)

    def _evict(self) -> None:
        if self.budget is None:
            return
        while self._bytes + self._beside > self.budget and len(self._resident) > 1:
            index, tile = next(iter(self._resident.items()))
            if tile.dirty:  # a file of its own, whatever its size, until the next flush
                before = self._shards.get(index)
                self._write((index,))
                file = self._shards[index].file
                if before and before.indices == (index,) and before.file not in self._named | {file}:
                    (self._folder() / before.file).unlink(missing_ok=True)
            del self._resident[index]
            self._bytes -= tile.bytes

    def _write(self, group: tuple[TileIndex, ...]) -> None:
        """Write tiles as one file, which is not durable yet."""
        resident = {index: self._resident[index] for index in group if index in self._resident}
        arrays = [resident[one].arrays() if one in resident else self._read(one) for one in group]
        shard = write_shard(self._folder(), list(zip(group, arrays, strict=True)))
        self._unsynced.add(shard.file)
        self._shards |= dict.fromkeys(group, shard)
        for tile in resident.values():
            tile.dirty = False

    def _rows(self) -> dict[TileIndex, int]:
        """Return the voxels of every tile."""
        stored = {index: dict(shard.tiles)[index] for index, shard in self._shards.items()}
        return stored | {index: len(tile) for index, tile in self._resident.items()}

    def flush(self) -> tuple[Shard, ...]:
        """Write every tile that changed, durably; return the files of all, in the order of their first tiles.

        Small tiles come together now, and each that has no file yet leaves the one that it was evicted to.
        """
        groups = groups_of(self._rows())
        for group in groups:
            held = {self._shards.get(index) for index in group}
            together = all(shard is not None and shard.indices == group for shard in held)
            dirty = any(index in self._resident and self._resident[index].dirty for index in group)
            if dirty or not (together and len(held) == 1):
                self._write(group)
        shards = tuple(self._shards[group[0]] for group in groups)
        fresh = [shard.file for shard in shards if shard.file in self._unsynced]
        if fresh:
            sync_files(self._folder(), fresh)
        self._unsynced.clear()
        return shards

    def published(self, manifest: MapManifest) -> None:
        """Delete the files that no manifest names any more, once `manifest` is on the disk."""
        folder = self._folder()
        self._named = {shard.file for shard in manifest.shards} | self._keep
        delete_tiles(folder, keep=self._named)

    def to_semantic_map(self) -> SemanticMap:
        """Return the map as it is now, read-only, of a map that is all in memory."""
        if self.folder is not None:
            raise InputError("This map lives in a folder; write its manifest, then use SemanticMap.open.")
        if self.description.basis:
            raise InputError("A map in principal components is read from its folder, which holds the basis.")
        parts = [ArraysPart(self._resident[index].arrays()) for index in sorted(self._resident)]
        return SemanticMap(self.description, parts, "", {}, self.description.channels)

    def _folder(self) -> Path:
        assert self.folder is not None
        if self.folder.is_symlink():
            raise ResourceError(f"{self.folder} is a link; it must be a folder. Remove it.")
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder
