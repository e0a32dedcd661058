"""From a request to a map folder: checks, model, frames, checkpoints; and what can be said about a map."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from radseg.errors import CheckpointError, InputError, ResourceError
from radseg.jobs.manifest import require_same
from radseg.runs.folder import OnExisting, locked, make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.mapping.builder import Progress
    from radseg.mapping.manifest import MapManifest
    from radseg.mapping.mapper import Mapper
    from radseg.types import Frame


class Sequence3D(Protocol):
    """What a build reads frames from (datasets.rgbd.RgbdSequence)."""

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames in order."""
        ...

    def read(self, frame_id: str, /) -> "Frame":
        """Return one frame, or raise InputError."""
        ...


class MapReporter(Protocol):
    """Receives the progress of a build, in this order."""

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Begin `todo` frames, after `earlier` ones of an interrupted build."""

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """One frame is in the map, or was skipped with a reason."""

    def ended(self, manifest: "MapManifest", progress: "Progress", folder: Path) -> None:
        """Sum up."""


@dataclass(frozen=True)
class BuildRequest:
    """What a person asked for.

    Attributes:
        output: the map folder.
        parameters: everything that decides the map; must be equal on resume.
        existing: what to do with a map that is there.
        skip: frames left out after each one taken: f mod (skip + 1) = 0 stays (mapping spec 1.0).
        budget: bytes of tiles in memory; None has no limit.
        checkpoint_seconds: time between checkpoints.
        components: principal components to store instead of the features; None stores them all. They are
            fitted to some frames of the whole sequence before the build.
    """

    output: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    existing: OnExisting = "refuse"
    skip: int = 0
    budget: int | None = None
    checkpoint_seconds: float = 60.0
    components: int | None = None


def build_map(
    request: BuildRequest,
    sequence: Sequence3D,
    make_mapper: "Callable[[], Mapper]",
    reporter: MapReporter,
) -> "Progress":
    """Build a map and return what became of the frames.

    Args:
        make_mapper: loads the model; called only when the folder was found usable.

    Raises:
        InputError: the folder holds a map and may not be changed, its settings differ, or no frame could be
            used; nothing is left behind then.
        ResourceError: the folder cannot be written, or another process writes it.
    """
    from radseg.mapping.builder import Builder, Progress  # noqa: PLC0415 - torch loads here
    from radseg.mapping.voxel_map import VoxelMap  # noqa: PLC0415

    ids = sequence.frame_ids()[:: request.skip + 1]
    parameters = {**request.parameters, "skip": request.skip, "components": request.components}
    with _opened(request, parameters) as earlier:
        progress = Progress() if earlier is None else Progress.resumed(earlier.build["frames"], ids)
        mapper = make_mapper()
        if request.components is not None and (mapper.lift is None or mapper.description.names):
            raise InputError("Principal components are of features; this map has none.")
        if (
            request.existing == "overwrite"
        ):  # only now: what failed so far has not cost the map that was there
            remove_map(request.output)
        if request.components is not None:
            mapper = _compressed(mapper, request, sequence, ids, earlier)
        if earlier is not None:
            earlier.description.require_same(mapper.description, what="The model")
        grown = VoxelMap(
            mapper.description,
            folder=request.output,
            budget=request.budget,
            shards=() if earlier is None else earlier.shards,
        )
        builder = Builder(mapper, grown, request.output, parameters, progress, request.checkpoint_seconds)
        reporter.started(len(ids) - len(progress.ids), len(progress.ids), request.output)
        builder.run(ids, sequence.read, reporter)
        if not progress.used:
            remove_map(request.output)
            raise InputError(_no_frame(ids, progress))
        reporter.ended(builder.checkpoint(), progress, request.output)
    return progress


_SAMPLED = 8
"""Frames to which a basis is fitted, spread evenly over the sequence; some thousand patches each."""


def _compressed(
    mapper: "Mapper",
    request: BuildRequest,
    sequence: Sequence3D,
    ids: Sequence[str],
    earlier: "MapManifest | None",
) -> "Mapper":
    """Return the mapper in the components of the map so far, or of a basis fitted now."""
    from radseg.mapping.compression import fit_basis, read_basis, write_basis  # noqa: PLC0415

    lift = mapper.lift
    assert lift is not None
    if earlier is not None:
        what = earlier.description
        return mapper.compressed(read_basis(request.output, what.basis, what.channels), what.basis)

    def features() -> "Iterator[Tensor]":
        for frame_id in sampled(ids, _SAMPLED):
            try:
                yield lift(sequence.read(frame_id).rgb).flatten(1).mT
            except (InputError, OSError):
                continue  # the build will name it

    basis = fit_basis(features(), int(request.components or 0))
    return mapper.compressed(basis, write_basis(request.output, basis))


def sampled(ids: Sequence[str], count: int) -> list[str]:
    """Return up to `count` of the ids, spread evenly, the first among them."""
    count = min(count, len(ids))
    return [ids[i * len(ids) // count] for i in range(count)]


def _no_frame(ids: Sequence[str], progress: "Progress") -> str:
    if not ids:
        return "The sequence has no frames."
    frame_id, reason = progress.skipped[0]
    return f"None of the {len(ids)} frames could be used. Frame {frame_id}: {reason}"


@contextmanager
def _opened(request: BuildRequest, parameters: Mapping[str, Any]) -> "Iterator[MapManifest | None]":
    """Lock the folder; yield the manifest of a build to go on with, None for a new one."""
    from radseg.io.writing import clear_halves  # noqa: PLC0415
    from radseg.mapping.manifest import holds_map, read_manifest  # noqa: PLC0415

    folder = request.output
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name another with -o.")
    existed = folder.exists()
    make_folder(folder)
    try:
        with locked(folder):
            clear_halves(folder)
            earlier = None
            if holds_map(folder):
                if request.existing == "refuse":
                    raise InputError(
                        f"{folder} holds a map. Go on with --resume, build it again with --overwrite, or "
                        "name another folder with -o."
                    )
                if request.existing == "resume":
                    earlier = read_manifest(folder)
                    if "parameters" not in earlier.build:
                        raise InputError(f"{folder} was not built from a sequence; it cannot be resumed.")
                    require_same(earlier.build["parameters"], parameters)
            yield earlier
    finally:
        if not existed:
            _remove_if_unused(folder)


def remove_map(folder: Path) -> None:
    """Delete a map: its manifest, basis, tiles and aligned features, and nothing else."""
    from radseg.mapping.aligned import delete_aligned  # noqa: PLC0415
    from radseg.mapping.compression import BASIS  # noqa: PLC0415
    from radseg.mapping.manifest import MANIFEST, TILES  # noqa: PLC0415
    from radseg.mapping.shards import delete_tiles  # noqa: PLC0415

    tiles = folder / TILES
    if tiles.is_symlink():
        raise ResourceError(f"{tiles} is a link; it must be a folder. Remove it.")
    delete_aligned(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / BASIS).unlink(missing_ok=True)
    if tiles.is_dir():
        delete_tiles(tiles, keep=frozenset())
        if not any(tiles.iterdir()):
            tiles.rmdir()


def _remove_if_unused(folder: Path) -> None:
    from radseg.runs.folder import LOCK_NAME  # noqa: PLC0415

    if {path.name for path in folder.iterdir()} <= {LOCK_NAME}:
        (folder / LOCK_NAME).unlink(missing_ok=True)
        folder.rmdir()


def verify_map(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each file's name and what is wrong with it; an empty text where nothing is.

    Raises:
        MissingFileError, CheckpointError: no map, or a damaged manifest.
    """
    from radseg.mapping.compression import BASIS, read_basis  # noqa: PLC0415
    from radseg.mapping.manifest import TILES, read_manifest  # noqa: PLC0415
    from radseg.mapping.shards import check_shard, read_shard  # noqa: PLC0415

    manifest = read_manifest(folder)
    what = manifest.description
    if what.basis:
        try:
            read_basis(folder, what.basis, what.channels)
            yield BASIS, ""
        except CheckpointError as error:
            yield BASIS, str(error)
    for shard in manifest.shards:
        try:
            check_shard(folder / TILES, shard)
            read_shard(folder / TILES, shard, manifest.description)
            yield shard.file, ""
        except CheckpointError as error:
            yield shard.file, str(error)


def merge_into(
    sources: Sequence[Path], output: Path, *, budget: int | None = None, overwrite: bool = False
) -> "MapManifest":
    """Merge maps into the folder `output`; see `mapping.merge.merge_maps`.

    Raises:
        InputError: the maps do not fit, or `output` holds a map and may not be replaced.
        ResourceError: the folder cannot be written, or another process writes it.
    """
    from radseg.mapping.manifest import holds_map  # noqa: PLC0415
    from radseg.mapping.merge import merge_maps, require_mergeable  # noqa: PLC0415

    require_mergeable(sources, output)
    request = BuildRequest(output, existing="overwrite" if overwrite else "refuse")
    if holds_map(output) and not overwrite:
        raise InputError(
            f"{output} holds a map. Replace it with --overwrite, or name another folder with -o."
        )
    with _opened(request, {}):
        try:
            return merge_maps(sources, output, budget=budget)
        except BaseException:
            remove_map(output)
            raise


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
    low = (
        [round(min(int(a[i]) for a, _ in corners) * size - size / 2, 4) for i in range(3)] if corners else []
    )
    high = (
        [round(max(int(b[i]) for _, b in corners) * size + size / 2, 4) for i in range(3)] if corners else []
    )
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
        "tiles": len(manifest.shards),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "encoder": dict(what.encoder),
        "digest": manifest.digest,
    }
