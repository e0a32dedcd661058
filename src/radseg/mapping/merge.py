"""One map from several that were built apart: weights add up, means are weighted means."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from radseg.errors import InputError
from radseg.mapping.compression import read_basis, write_basis
from radseg.mapping.description import DEFAULT_FRAME
from radseg.mapping.manifest import TILES, MapManifest, read_manifest
from radseg.mapping.replacing import put_in_place
from radseg.mapping.shards import check_shard, read_shard
from radseg.mapping.sightings import joined, read_sightings
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums


def merge_maps(
    sources: Sequence[Path], output: Path, *, budget: int | None = None, same_frame: bool = False
) -> MapManifest:
    """Write the merge of several maps to the folder `output`, in place of a map there; return its manifest.

    Counts are exact; means are exact up to rounding to the stored dtype, whatever the order. Tiles pass
    through memory one at a time. Maps in principal components merge if they share their basis.

    Args:
        same_frame: says that the maps share one world frame. Needed where nothing else does: the frame has
            the name that every frame has by default, and the maps are not of one recording.

    Raises:
        InputError: fewer than two maps, a map twice (as it is, grown, or within a merged one), maps whose
            voxel size, space, encoder or frame differ, or whose frames were never said to agree; the output
            is one of the sources.
        MissingFileError, CheckpointError: a source is no map, or a damaged one. A map that was in `output`
            is there as before.
    """
    manifests = require_mergeable(sources, output, same_frame=same_frame)
    what = manifests[0].description
    output.mkdir(parents=True, exist_ok=True)
    if what.basis:
        write_basis(output, read_basis(sources[0], what.basis, what.channels))
    grown = VoxelMap(what, folder=output, budget=budget)
    tables = [{index: one for one in manifest.shards for index in one.indices} for manifest in manifests]
    checked = set[Path]()
    for index in sorted(set().union(*tables)):
        for source, table in zip(sources, tables, strict=True):
            if index not in table:
                continue
            shard, folder = table[index], source / TILES
            if folder / shard.file not in checked:
                checked.add(check_shard(folder, shard))
            start, stop = shard.span(index)
            arrays = read_shard(folder, shard, what, start=start, stop=stop)
            weight = arrays.counts[:, None].float()
            sums = (arrays.values.float() * weight, arrays.colours.float() * weight)
            grown.add(VoxelSums(arrays.keys, arrays.counts, *sums))
    frames = sum(int(manifest.build.get("frames", {}).get("used", 0)) for manifest in manifests)
    noted = {"used": frames, "camera_up": _camera_up(manifests)}
    build: dict[str, Any] = {
        "merged": sorted(frozenset[str]().union(*(manifest.lineage for manifest in manifests))),
        "frames": noted,
    }
    if all(manifest.sightings for manifest in manifests):
        named = [
            (m.identity[:8], read_sightings(one, m.sightings))
            for one, m in zip(sources, manifests, strict=True)
        ]
        build["sightings"] = joined(named).write(output)
    if _share_recording(manifests):
        build["recording"] = manifests[0].recording
    merged = MapManifest(grown.description, grown.flush(), build)
    put_in_place(output, merged)
    return merged


def _camera_up(manifests: Sequence[MapManifest]) -> list[float]:
    """Return the sum over all frames (see Progress); maps that noted none, as older ones, add nothing."""
    noted = [manifest.build.get("frames", {}).get("camera_up", (0.0, 0.0, 0.0)) for manifest in manifests]
    return [sum(float(up[axis]) for up in noted) for axis in range(3)]


def require_mergeable(
    sources: Sequence[Path], output: Path, *, same_frame: bool = False
) -> list[MapManifest]:
    """Return the manifests of maps that can be merged; see `merge_maps` for what is raised otherwise."""
    if len(sources) < 2:
        raise InputError("Merging needs at least two maps.")
    if output.resolve() in {source.resolve() for source in sources}:
        raise InputError(f"{output} is one of the maps to be merged; name another output folder.")
    manifests = [read_manifest(source) for source in sources]
    named = list(zip(sources, manifests, strict=True))
    for one, other in combinations(named, 2):
        if fault := _counted_twice(*one, *other):
            raise InputError(f"{fault}; its pixels would count twice.")
    for source, manifest in named:
        manifests[0].description.require_same(manifest.description, what=f"{source}")
    if not (same_frame or manifests[0].description.frame != DEFAULT_FRAME or _share_recording(manifests)):
        raise InputError(
            f"Nobody said that these maps share one world frame: all are in {DEFAULT_FRAME!r}, the name that "
            "every frame has by default, and they are not of one recording. If places agree between them, "
            "say so: --same-frame. Or build them with one --frame NAME."
        )
    return manifests


def _counted_twice(one: Path, mine: MapManifest, other: Path, theirs: MapManifest) -> str:
    """Return what two maps have in common; empty if nothing."""
    shared = mine.lineage & theirs.lineage
    if not shared:
        return ""
    if mine.digest == theirs.digest:
        return f"{other} and {one} are the same map"
    if mine.identity == theirs.identity:
        return f"{other} and {one} are the same map ({mine.identity[:16]}…) at two times of its building"
    for merged, part, its in ((one, other, theirs), (other, one, mine)):
        if {its.identity, its.digest} & shared:
            return f"{merged} was merged from {part} ({its.identity[:16]}…) already"
    parts = ", ".join(f"{identity[:16]}…" for identity in sorted(shared))
    return f"{one} and {other} were both merged from the same map ({parts})"


def _share_recording(manifests: Sequence[MapManifest]) -> bool:
    first = manifests[0].recording
    return first is not None and all(manifest.recording == first for manifest in manifests)
