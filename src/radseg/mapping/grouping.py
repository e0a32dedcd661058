"""Which tiles lie in one file: a large tile alone, small ones with their neighbours in order.

A map of places far apart has thousands of tiles of a few voxels, and a file for each costs the disk more than
the voxels do. What shares a file is decided by the tiles alone, never by the order in which they came, so
equal maps are equal files. A file ends where the hash of a tile's place says so: a new tile changes one file,
not all behind it.
"""

import zlib
from collections.abc import Mapping

from radseg.mapping.tiles import TileIndex

SMALL = 128
"""Voxels from which a tile has a file of its own: 200 KB at 768 channels in float16."""
_MOST_ROWS = 4096
_TILES = 64  # of a file, on average


def groups_of(rows: Mapping[TileIndex, int]) -> tuple[tuple[TileIndex, ...], ...]:
    """Return the tiles of each file, ascending, and the files in the order of their first tiles.

    Args:
        rows: voxels of every tile of the map.
    """
    groups, held = list[tuple[TileIndex, ...]](), list[TileIndex]()
    for index in sorted(rows):
        if rows[index] >= SMALL:
            groups.append((index,))
            continue
        if sum(rows[one] for one in held) + rows[index] > _MOST_ROWS:
            groups.append(tuple(held))
            held.clear()
        held.append(index)
        if _ends(index):
            groups.append(tuple(held))
            held.clear()
    if held:
        groups.append(tuple(held))
    return tuple(sorted(groups))


def _ends(index: TileIndex) -> bool:
    return zlib.crc32("{} {} {}".format(*index).encode()) % _TILES == 0
