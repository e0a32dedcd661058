"""One map from several that were built apart: weights add up, means are weighted means."""

from collections.abc import Sequence
from pathlib import Path

from radseg.errors import InputError
from radseg.mapping.compression import read_basis, write_basis
from radseg.mapping.manifest import TILES, MapManifest, read_manifest
from radseg.mapping.replacing import put_in_place
from radseg.mapping.shards import check_shard, read_shard
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums


def merge_maps(sources: Sequence[Path], output: Path, *, budget: int | None = None) -> MapManifest:
    """Write the merge of several maps to the folder `output`, in place of a map there; return its manifest.

    Counts are exact; means are exact up to rounding to the stored dtype, whatever the order. Tiles pass
    through memory one at a time. Maps in principal components merge if they share their basis.

    Raises:
        InputError: fewer than two maps, the same map twice, or maps whose voxel size, space, encoder or frame
            differ; the output is one of the sources.
        MissingFileError, CheckpointError: a source is no map, or a damaged one. A map that was in `output`
            is there as before.
    """
    manifests = require_mergeable(sources, output)
    what = manifests[0].description
    output.mkdir(parents=True, exist_ok=True)
    if what.basis:
        write_basis(output, read_basis(sources[0], what.basis, what.channels))
    grown = VoxelMap(what, folder=output, budget=budget)
    tables = [{shard.index: shard for shard in manifest.shards} for manifest in manifests]
    for index in sorted(set().union(*tables)):
        for source, table in zip(sources, tables, strict=True):
            if index not in table:
                continue
            check_shard(source / TILES, table[index])
            arrays = read_shard(source / TILES, table[index], grown.description)
            weight = arrays.counts[:, None].float()
            sums = (arrays.values.float() * weight, arrays.colours.float() * weight)
            grown.add(VoxelSums(arrays.keys, arrays.counts, *sums))
    frames = sum(int(manifest.build.get("frames", {}).get("used", 0)) for manifest in manifests)
    noted = {"used": frames, "camera_up": _camera_up(manifests)}
    build = {"merged": [manifest.digest for manifest in manifests], "frames": noted}
    merged = MapManifest(grown.description, grown.flush(), build)
    put_in_place(output, merged)
    return merged


def _camera_up(manifests: Sequence[MapManifest]) -> list[float]:
    """Return the sum over all frames (see Progress); maps that noted none, as older ones, add nothing."""
    noted = [manifest.build.get("frames", {}).get("camera_up", (0.0, 0.0, 0.0)) for manifest in manifests]
    return [sum(float(up[axis]) for up in noted) for axis in range(3)]


def require_mergeable(sources: Sequence[Path], output: Path) -> list[MapManifest]:
    """Return the manifests of maps that can be merged; see `merge_maps` for what is raised otherwise."""
    if len(sources) < 2:
        raise InputError("Merging needs at least two maps.")
    if output.resolve() in {source.resolve() for source in sources}:
        raise InputError(f"{output} is one of the maps to be merged; name another output folder.")
    manifests = [read_manifest(source) for source in sources]
    seen: dict[str, Path] = {}
    for source, manifest in zip(sources, manifests, strict=True):
        if manifest.digest in seen:
            raise InputError(
                f"{source} and {seen[manifest.digest]} are the same map; its pixels would count twice."
            )
        seen[manifest.digest] = source
        manifests[0].description.require_same(manifest.description, what=f"{source}")
    return manifests
