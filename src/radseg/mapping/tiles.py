"""One cube of the map: its voxels, found by key, updated in place at the cost of the update's own size."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from radseg.mapping.description import MapDescription
from radseg.ops.voxels import AXIS_BITS, LIMIT, VoxelSums, unpack

TILE_BITS = 6
SIDE = 1 << TILE_BITS
"""Voxels along an edge of a tile: 3.2 m at 5 cm, about 25,000 voxels of a room (mapping spec 5.3 C)."""

TileIndex = tuple[int, int, int]
_FIRST_ROWS = 16


class TileArrays(NamedTuple):
    """All voxels of a tile in ascending order of keys."""

    keys: Int[Tensor, " n"]
    counts: Int[Tensor, " n"]
    values: Float[Tensor, "n c"]
    colours: Float[Tensor, "n 3"]


class Tile:
    """The voxels of one cube, in arrays that grow.

    Attributes:
        dirty: whether it holds something that no file holds.
    """

    def __init__(self, description: MapDescription) -> None:
        self.keys: Int[Tensor, " n"] = torch.empty(0, dtype=torch.int64)
        self.rows: Int[Tensor, " n"] = torch.empty(0, dtype=torch.int64)
        self.counts: Int[Tensor, " capacity"] = torch.empty(0, dtype=torch.int64)
        self.values: Float[Tensor, "capacity c"] = torch.empty(
            0, description.channels, dtype=description.torch_dtype
        )
        self.colours: Float[Tensor, "capacity 3"] = torch.empty(0, 3, dtype=description.torch_dtype)
        self.dirty = False

    @classmethod
    def of(cls, description: MapDescription, arrays: TileArrays) -> "Tile":
        """Return a clean tile that holds copies of `arrays`."""
        tile = cls(description)
        tile.keys, tile.counts, tile.values, tile.colours = (array.clone() for array in arrays)
        tile.rows = torch.arange(len(arrays.keys))
        return tile

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def bytes(self) -> int:
        """Memory of all arrays, with the room they have left to grow."""
        arrays = (self.keys, self.rows, self.counts, self.values, self.colours)
        return sum(array.numel() * array.element_size() for array in arrays)

    def arrays(self) -> TileArrays:
        """Return copies of all voxels in ascending order of keys."""
        rows = self.rows
        return TileArrays(self.keys.clone(), self.counts[rows], self.values[rows], self.colours[rows])

    def add(self, sums: VoxelSums) -> None:
        """Merge the sums of one frame, or of one other map, into the means (mapping spec 2.6).

        new mean = (count · mean + sum) / (count + points), in float32; counts are whole numbers.
        """
        if not len(sums.keys):
            return
        rows = self._rows_of(sums.keys)
        before = self.counts[rows]
        after = before + sums.counts
        self.counts[rows] = after
        weight, total = before[:, None].float(), after[:, None].float()
        for array, added in ((self.values, sums.values), (self.colours, sums.colours)):
            if array.shape[1]:
                array[rows] = ((array[rows].float() * weight + added) / total).to(array.dtype)
        self.dirty = True

    def _rows_of(self, keys: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
        """Return the row of each of the ascending keys, making rows for those that have none."""
        place = torch.searchsorted(self.keys, keys)
        known = torch.zeros_like(keys, dtype=torch.bool)
        inner = place < len(self.keys)
        known[inner] = self.keys[place[inner]] == keys[inner]
        if not bool(known.all()):
            self._insert(keys[~known], place[~known])
            place = torch.searchsorted(self.keys, keys)
        return self.rows[place]

    def _insert(self, fresh: Int[Tensor, " f"], place: Int[Tensor, " f"]) -> None:
        """Take in ascending new keys; `place` says before which old key each goes. Values start at zero."""
        old, total = len(self.keys), len(self.keys) + len(fresh)
        self._reserve(total)
        is_new = torch.zeros(total, dtype=torch.bool)
        is_new[place + torch.arange(len(fresh))] = True
        self.keys = _woven(is_new, fresh, self.keys)
        self.rows = _woven(is_new, torch.arange(old, total), self.rows)

    def _reserve(self, rows: int) -> None:
        capacity = len(self.counts)
        if rows <= capacity:
            return
        # Half as much again: copying is amortised, and at most a third of the memory is unused.
        more = max(rows, capacity + capacity // 2, _FIRST_ROWS) - capacity
        self.counts = torch.cat([self.counts, self.counts.new_zeros(more)])
        self.values = torch.cat([self.values, self.values.new_zeros(more, self.values.shape[1])])
        self.colours = torch.cat([self.colours, self.colours.new_zeros(more, 3)])


def tile_ids(keys: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return the packed index of the tile of each key."""
    low = SIDE - 1
    within = (low << 2 * AXIS_BITS) | (low << AXIS_BITS) | low
    return (keys & ~within) >> TILE_BITS


def tile_index(tile_id: int) -> TileIndex:
    """Return the index of a tile along each axis; tile 0 begins at voxel 0."""
    first = unpack(torch.tensor([tile_id << TILE_BITS]))[0]
    x, y, z = (int(index) >> TILE_BITS for index in first)
    return x, y, z


def is_tile_index(index: TileIndex) -> bool:
    """Return whether such a tile can exist."""
    return all(-LIMIT <= axis << TILE_BITS < LIMIT for axis in index)


def _woven(is_second: Bool[Tensor, " n"], second: Tensor, first: Tensor) -> Tensor:
    woven = first.new_empty(len(is_second))
    woven[is_second] = second
    woven[~is_second] = first
    return woven
