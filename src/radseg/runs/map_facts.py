"""What can be said about a map folder: whether its files are whole, and what it holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from radseg.errors import CheckpointError


def verify_map(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each file's name and what is wrong with it; an empty text where nothing is.

    Raises:
        MissingFileError, CheckpointError: no map, or a damaged manifest.
    """
    from radseg.mapping.compression import basis_path, read_basis  # noqa: PLC0415
    from radseg.mapping.manifest import TILES, read_manifest  # noqa: PLC0415
    from radseg.mapping.shards import check_shard, read_shard  # noqa: PLC0415
    from radseg.mapping.sightings import read_sightings, sightings_path  # noqa: PLC0415

    manifest = read_manifest(folder)
    what = manifest.description
    if what.basis:
        name = basis_path(folder, what.basis).name
        try:
            read_basis(folder, what.basis, what.channels)
            yield name, ""
        except CheckpointError as error:
            yield name, str(error)
    if manifest.sightings:
        name = sightings_path(folder, manifest.sightings).name
        try:
            for sighting in read_sightings(folder, manifest.sightings):
                sighting.keys()
                sighting.segments()
            yield name, ""
        except (CheckpointError, ValueError) as error:
            yield name, str(error)
    for shard in manifest.shards:
        try:
            check_shard(folder / TILES, shard)
            read_shard(folder / TILES, shard, manifest.description)
            yield shard.file, ""
        except CheckpointError as error:
            yield shard.file, str(error)


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what a person wants to know about a map, as JSON values; reads the indices of all voxels.

    Raises:
        MissingFileError, CheckpointError: no map, or a damaged one.
    """
    from radseg.mapping.manifest import read_manifest  # noqa: PLC0415
    from radseg.mapping.semantic_map import SemanticMap  # noqa: PLC0415
    from radseg.mapping.up import up_axis  # noqa: PLC0415

    manifest, opened = read_manifest(folder), SemanticMap.open(folder)
    what, frames = manifest.description, dict(manifest.build.get("frames", {}))
    corners = [(keys.amin(0), keys.amax(0)) for keys in opened.keys()]  # noqa: SIM118
    size = what.voxel_size
    axes = range(3 if corners else 0)
    low = [round(min(int(a[i]) for a, _ in corners) * size - size / 2, 4) for i in axes]
    high = [round(max(int(b[i]) for _, b in corners) * size + size / 2, 4) for i in axes]
    reasons: dict[str, int] = {}
    for _, reason in frames.get("skipped", []):
        reasons[reason] = reasons.get(reason, 0) + 1
    return {
        "voxels": manifest.voxels,
        "voxel size": size,
        "space": what.space,
        "channels": opened.channels,
        "stored channels": what.channels,
        "stored as": what.dtype,
        "names": list(what.names),
        "frame": what.frame,
        "axes": what.axes,
        "up": up_axis(opened),
        "from": low,
        "to": high,
        "frames used": frames.get("used", 0),
        "frames left out": reasons,
        "conventions": dict(manifest.build.get("check") or {}).get("verdict", "not checked"),
        "tiles": sum(len(shard.tiles) for shard in manifest.shards),
        "files": len(manifest.shards),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "encoder": dict(what.encoder),
        "identity": manifest.identity,
        "merged from": sorted(manifest.lineage - {manifest.identity, manifest.digest}),
        "digest": manifest.digest,
    }
