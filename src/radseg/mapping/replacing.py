"""A map that takes the place of another: built beside it in one folder, put in its place in one step.

Tiles, bases and sightings are named after their content, so those of both lie side by side; only the
manifest decides which are the map. A build that replaces a map notes how far it is in `map.next.json`.
Whatever ends it, the old map is whole, and what neither manifest names is deleted by the next that writes.
"""

import os
from pathlib import Path

from radseg.errors import CheckpointError, InputError, ResourceError
from radseg.files import clear_parts, shown
from radseg.mapping.compression import basis_path, is_basis
from radseg.mapping.manifest import MANIFEST, TILES, MapManifest, holds_map, read_manifest, write_manifest
from radseg.mapping.shards import delete_tiles
from radseg.mapping.sightings import delete_sightings

NEXT = "map.next.json"
"""The manifest of a build that is to replace the map in the folder."""


def is_being_replaced(folder: Path) -> bool:
    """Return whether a build that replaces the map in `folder` was begun and has not ended."""
    return os.path.lexists(folder / NEXT)


def tiles_to_keep(folder: Path) -> frozenset[str]:
    """Return the files of the tiles of the map in `folder`; of a damaged map all that are there."""
    if not holds_map(folder):
        return frozenset()
    try:
        return frozenset(shard.file for shard in read_manifest(folder).shards)
    except (CheckpointError, InputError):
        tiles = folder / TILES
        return frozenset(path.name for path in tiles.iterdir()) if tiles.is_dir() else frozenset()


def sightings_to_keep(folder: Path) -> str:
    """Return the SHA-256 of the sightings of the map in `folder`; "" where it is none, or a damaged one."""
    try:
        return read_manifest(folder).sightings if holds_map(folder) else ""
    except (CheckpointError, InputError):
        return ""


def put_in_place(folder: Path, manifest: MapManifest) -> None:
    """Make this the map of the folder, in one step, and delete what the old one alone needed."""
    write_manifest(folder, manifest)
    abandon(folder, NEXT)


def abandon(folder: Path, name: str = NEXT) -> None:
    """Delete a manifest, and what it alone names; other files stay."""
    (folder / name).unlink(missing_ok=True)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Delete tiles, bases, sightings and halves of files that no manifest names.

    Nothing is deleted where a manifest cannot be read.

    Raises:
        ResourceError: the folder of tiles is a link.
    """
    tiles, kept, bases, sightings = folder / TILES, set[str](), set[str](), set[str]()
    if tiles.is_symlink():
        raise ResourceError(f"{shown(tiles)} is a link; it must be a folder. Remove it.")
    for name in (MANIFEST, NEXT):
        if not os.path.lexists(folder / name):
            continue
        try:
            manifest = read_manifest(folder, name)
        except (CheckpointError, InputError):
            return
        kept |= {shard.file for shard in manifest.shards}
        bases.add(basis_path(folder, manifest.description.basis).name)
        sightings.add(manifest.sightings)
    clear_parts(folder)
    delete_sightings(folder, keep=sightings)
    for path in list(folder.iterdir()):
        if is_basis(path.name) and path.name not in bases:
            path.unlink(missing_ok=True)
    if tiles.is_dir():
        delete_tiles(tiles, keep=kept)
        if not any(tiles.iterdir()):
            tiles.rmdir()
