"""`map.json`: what a map folder holds. Written last, in one step; a folder without it is no map yet."""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from radseg.errors import CheckpointError, InputError, MissingFileError, RadsegError
from radseg.files import shortened, shown, write_bytes
from radseg.mapping.description import MapDescription
from radseg.mapping.plain_files import read_plain
from radseg.mapping.shards import FILE_NAME, Shard, shard_name
from radseg.mapping.tiles import SIDE, is_tile_index

MANIFEST, TILES = "map.json", "tiles"
FORMAT = "radseg-map/2"
RULE = "index = round-half-to-even(position / voxel_size) per axis; centre = index * voxel_size; metres"
_HASH = re.compile(r"[0-9a-f]{64}")
_LARGEST = 256 * 2**20  # bytes; a million tiles take 200 MB


@dataclass(frozen=True)
class MapManifest:
    """A map folder's table of contents.

    Attributes:
        description: what the numbers mean.
        shards: the files of its tiles, in the order of their first ones.
        build: what the builder notes for going on: identity, parameters, recording, frames done, frames
            skipped with reasons, what the check of the recording's conventions found; of a merged map
            what was merged. The recording's path is in it only where it was to be kept.
    """

    description: MapDescription
    shards: tuple[Shard, ...] = ()
    build: Mapping[str, Any] = field(default_factory=dict)

    @property
    def voxels(self) -> int:
        """Voxels of the whole map."""
        return sum(shard.rows for shard in self.shards)

    @property
    def digest(self) -> str:
        """Hash of the description and of every voxel: equal for equal maps, however they were built."""
        return _sha256([self.description.as_json(), [asdict(shard) for shard in self.shards]])

    @property
    def identity(self) -> str:
        """What stays when a map grows by --resume; of maps that note none, their digest."""
        return str(self.build.get("identity") or self.digest)

    @property
    def lineage(self) -> frozenset[str]:
        """Identities and digests of this map and of all maps that it was merged from, directly or not."""
        return frozenset({self.identity, self.digest, *self.build.get("merged", ())})

    @property
    def sightings(self) -> str:
        """SHA-256 of what its frames saw (`mapping.sightings`); "" where nobody noted it."""
        return str(self.build.get("sightings", ""))

    @property
    def recording(self) -> Mapping[str, Any] | None:
        """What decides the world frame: the recording and how its poses are read; None where unknown."""
        return self.build.get("recording") or None


def holds_map(folder: Path) -> bool:
    """Return whether `folder` looks like a map."""
    return os.path.lexists(folder / MANIFEST)


def write_manifest(folder: Path, manifest: MapManifest, name: str = MANIFEST) -> None:
    """Put a manifest into its place in one step; every shard it names must be on the disk by now."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "rule": RULE,
        "tile_side": SIDE,
        "voxels": manifest.voxels,
        "digest": manifest.digest,
        "description": manifest.description.as_json(),
        "build": dict(manifest.build),
        "files": [asdict(shard) for shard in manifest.shards],
    }
    content["checksum"] = _sha256(content)
    text = json.dumps(content, indent=1, ensure_ascii=True).encode() + b"\n"
    write_bytes(folder / name, text)


def read_manifest(folder: Path, name: str = MANIFEST) -> MapManifest:
    """Return the manifest of a map folder, every entry checked; no shard is opened.

    Raises:
        MissingFileError: there is no such folder, or no map in it.
        InputError: the map is of a format this version does not know.
        CheckpointError: the manifest is damaged, or names files a map does not have.
    """
    path = folder / name
    if not os.path.lexists(path):
        raise MissingFileError(
            f"{shown(folder)} is not a map: it has no {name}. Make one: radseg map build SEQUENCE -o MAP"
        )
    try:
        content = json.loads(read_plain(path, max_bytes=_LARGEST))
        if content["format"] != FORMAT:
            raise InputError(
                f"{shown(path)} is of format {content['format']!r}; this version reads {FORMAT!r}. "
                "Build the map again: radseg map build SEQUENCE -o MAP --overwrite"
            )
        if content.pop("checksum") != _sha256(content):
            raise ValueError("its checksum does not fit its content")
        return _parsed(content)
    except (InputError, MissingFileError):
        raise
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        OverflowError,
        RadsegError,
    ) as error:
        reason = shortened(f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error))
        raise CheckpointError(
            f"{shown(path)} is damaged or was changed: {reason}. "
            "Restore the map from a copy, or build it again."
        ) from error


def _parsed(content: dict[str, Any]) -> MapManifest:
    if content["tile_side"] != SIDE:
        raise ValueError(f"tiles of {content['tile_side']} voxels; this version has {SIDE}")
    try:
        raw = content["description"]
        _require_types(raw)
        description = MapDescription(**(raw | {"names": tuple(raw["names"])}))
    except InputError as error:
        raise ValueError(str(error)) from error
    shards = tuple(_shard(entry) for entry in content["files"])
    indices = [index for shard in shards for index in shard.indices]
    firsts = [shard.indices[0] for shard in shards]
    if len(set(indices)) != len(indices) or firsts != sorted(firsts):
        raise ValueError("its files are not in order, or a tile is there twice")
    _require_build(content["build"])
    manifest = MapManifest(description, shards, dict(content["build"]))
    if content["voxels"] != manifest.voxels or content["digest"] != manifest.digest:
        raise ValueError("its sums do not fit its entries")
    return manifest


def _require_types(raw: Mapping[str, Any]) -> None:
    """Raise ValueError for a description whose values are of other kinds than ours."""
    for name in ("space", "dtype", "frame", "axes", "basis"):
        if not isinstance(raw[name], str):
            raise ValueError(f"its {name} is not text")
    if type(raw["channels"]) is not int or not all(isinstance(name, str) for name in raw["names"]):
        raise ValueError("its channels are no whole number, or a name is not text")
    encoder = raw["encoder"]
    texts = (encoder.get(name) or "" for name in ("preset", "checkpoint", "sha256"))
    if not all(isinstance(text, str) for text in texts) or not isinstance(encoder.get("options", {}), dict):
        raise ValueError("its encoder is not described as radseg does")


def _require_build(build: Mapping[str, Any]) -> None:
    """Raise ValueError for notes of a build that no builder writes; a merged map may have none."""
    for name in ("parameters", "recording", "check"):
        if not isinstance(build.get(name) or {}, dict):
            raise ValueError(f"its {name} are no table")
    known = (build.get("identity", "0" * 64), build.get("sightings", "0" * 64), *build.get("merged", ()))
    if not all(_HASH.fullmatch(one) for one in known):
        raise ValueError("it or its sightings are known by no hash, or it was merged from maps that are not")
    if not isinstance((build.get("check") or {}).get("verdict", ""), str):
        raise ValueError("what its check found is no text")
    frames = build.get("frames", {})
    up = frames.get("camera_up", [0.0, 0.0, 0.0])
    if len(up) != 3 or not all(type(n) in (int, float) and math.isfinite(n) for n in up):
        raise ValueError("its up is no direction")
    if not all(type(frames.get(name, 0)) is int for name in ("done", "used", "points")):
        raise ValueError("its counts of frames are not whole")
    for frame_id, reason in frames.get("skipped", []):
        if not isinstance(frame_id, str) or not isinstance(reason, str):
            raise ValueError("its frames left out are not described as radseg does")


def _shard(entry: Mapping[str, Any]) -> Shard:
    tiles = tuple(((x, y, z), rows) for (x, y, z), rows in entry["tiles"])
    shard = Shard(**(dict(entry) | {"tiles": tiles}))
    if not all(type(n) is int for index, rows in tiles for n in (*index, rows, shard.bytes)):
        raise ValueError("a tile's numbers are not whole")
    for index, rows in tiles:
        if not is_tile_index(index) or not 0 < rows <= SIDE**3:
            raise ValueError(f"no map has a tile {index} of {rows} voxels")
    if not tiles or list(shard.indices) != sorted(shard.indices):
        raise ValueError("a file has no tiles, or not in order")
    expected = shard_name(shard.indices[0], shard.sha256)
    if not FILE_NAME.fullmatch(shard.file) or shard.file != expected:
        raise ValueError(f"{shown(shard.file)!r} is not the file name of tile {shard.indices[0]}")
    return shard


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
