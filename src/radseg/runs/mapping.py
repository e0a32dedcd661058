"""From a request to a map folder: checks, model, frames, checkpoints; and what can be said about a map."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from radseg.errors import InputError, RadsegError
from radseg.files import counted
from radseg.jobs.folder import OnExisting, claimed
from radseg.jobs.matching import folder_mark
from radseg.jobs.record import require_same

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.datasets.rgbd import FileSequence
    from radseg.datasets.rgbd.files import Axes, Direction, World
    from radseg.mapping.builder import Progress
    from radseg.mapping.description import StoredDtype
    from radseg.mapping.manifest import MapManifest
    from radseg.mapping.mapper import Mapper
    from radseg.text.vocabulary import Vocabulary
    from radseg.types import Frame


class Sequence3D(Protocol):
    """What a build reads frames from (datasets.rgbd.RgbdSequence)."""

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames in order."""

    def read(self, frame_id: str, /) -> "Frame":
        """Return one frame, or raise InputError."""


class MapReporter(Protocol):
    """Receives the progress of a build, in this order."""

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Begin `todo` frames, after `earlier` ones of an interrupted build."""

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """One frame is in the map, or was skipped with a reason."""

    def ended(self, manifest: "MapManifest", progress: "Progress", folder: Path) -> None:
        """Sum up."""


@dataclass(frozen=True)
class Recording:
    """A folder of RGB-D frames and how to read it; see `datasets.rgbd.open_sequence`.

    Attributes:
        colour_camera: folder of the two files of a colour camera of its own.
        camera: name of the depth camera, for a folder that brings no calibration.
    """

    folder: Path
    layout: str = "auto"
    depth_scale: float | None = None
    poses: "Direction | None" = None
    axes: "Axes | None" = None
    colour_camera: Path | None = None
    world: "World | None" = None
    camera: str | None = None

    def open(self) -> "FileSequence":
        """Return the frames; nothing is decoded. Raises as `open_sequence` and `with_colour_camera`."""
        from radseg.datasets.rgbd import Cameras, open_sequence, with_colour_camera  # noqa: PLC0415

        frames = open_sequence(
            self.folder,
            layout=self.layout,
            depth_scale=self.depth_scale,
            poses=self.poses,
            axes=self.axes,
            world=self.world,
            cameras=Cameras(depth=self.camera),
        )
        return frames if self.colour_camera is None else with_colour_camera(frames, self.colour_camera)

    def parameters(self, frames: Any) -> dict[str, Any]:
        """Return what decides the frames that were opened: what is in the folders, which may move."""
        camera = None
        if self.colour_camera is not None:
            lens = frames.colour_intrinsics
            camera = [lens.fx, lens.fy, lens.cx, lens.cy, *frames.depth_to_colour.flatten().tolist()]
        return {
            "sequence": frames.digest(),
            "layout": self.layout,
            "depth_scale": self.depth_scale,
            "poses": self.poses,
            "axes": self.axes,
            "world": self.world,
            "camera": self.camera,
            "colour_camera": camera,
        }

    def world_frame(self) -> dict[str, Any]:
        """Return what decides the world frame: the folder, by its mark, and how its poses are read."""
        read = {name: getattr(self, name) for name in ("layout", "poses", "axes", "world", "camera")}
        return {"sequence": folder_mark(self.folder), **read}


@dataclass(frozen=True)
class MapSettings:
    """What a map is to hold, besides the model's part.

    Attributes:
        space: features, probabilities of `prompts`, or colour alone.
        voxel_size: side of a voxel, metres.
        store: number type of the means.
        frame: name of the world frame.
        max_depth: points farther than this are left out, metres.
        max_points: of a frame, at random.
        box: lowest and highest corner of what is mapped, metres.
        skip: frames left out after each one taken: f mod (skip + 1) = 0 stays (mapping spec 1.0).
        components: principal components to store instead of the features; None stores them all. They are
            fitted to some frames of the whole sequence before the build.
        objects: names of the 2D objects that the frames note; None where none are looked for.
    """

    space: Literal["features", "probabilities", "none"] = "features"
    prompts: "Vocabulary | None" = None
    voxel_size: float = 0.05
    store: "StoredDtype" = "float16"
    frame: str = "world"
    max_depth: float | None = None
    max_points: int | None = None
    box: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    skip: int = 0
    components: int | None = None
    objects: "Vocabulary | None" = None

    def parameters(self) -> dict[str, Any]:
        """Return every setting as JSON values; objects only where they are looked for."""
        vocabularies = {"prompts": self.prompts, "objects": self.objects}
        words = {
            name: None if one is None else [list(group) for group in one.phrases]
            for name, one in vocabularies.items()
        }
        values = {**vars(self), **words}
        if self.objects is None:  # a map without them is what it was before there were any
            del values["objects"]
        return values


@dataclass(frozen=True)
class BuildRequest:
    """What a person asked for.

    Attributes:
        output: the map folder.
        recording: where the frames come from; None where they are no files.
        model_parameters: everything of the model that decides the map, as JSON values.
        existing: what to do with a map that is there.
        budget: bytes of the frame in work and of tiles in memory; None has no limit.
        checkpoint_seconds: time between checkpoints.
        keep_paths: whether `map.json` names the recording's folder; else no file of the map does.
        check: what `check_conventions` found, as JSON values, to be noted in the map; None where nothing was
            asked of it.
    """

    output: Path
    settings: MapSettings = field(default_factory=MapSettings)
    recording: Recording | None = None
    model_parameters: Mapping[str, Any] = field(default_factory=dict)
    existing: OnExisting = "refuse"
    budget: int | None = None
    checkpoint_seconds: float = 60.0
    keep_paths: bool = False
    check: Mapping[str, Any] | None = None

    def parameters(self, frames: Any) -> dict[str, Any]:
        """Return everything that decides the map made of these frames; it must be equal on resume."""
        recorded = {} if self.recording is None else self.recording.parameters(frames)
        return {**self.model_parameters, **self.settings.parameters(), **recorded}

    def notes(self) -> dict[str, Any]:
        """Return what the manifest says beside that: of world frame, check, and where the frames lie."""
        checked = {} if self.check is None else {"check": dict(self.check)}
        if self.recording is None:
            return checked
        kept = {"root": os.path.abspath(self.recording.folder)} if self.keep_paths else {}  # noqa: PTH100
        return {"recording": self.recording.world_frame(), **checked, **kept}


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
            used; the folder is then as before.
        ResourceError: the folder cannot be written, or another process writes it.
    """
    from radseg.mapping.builder import Builder, Progress  # noqa: PLC0415 - torch loads here
    from radseg.mapping.replacing import (  # noqa: PLC0415
        NEXT,
        abandon,
        put_in_place,
        sightings_to_keep,
        tiles_to_keep,
    )
    from radseg.mapping.sightings import read_sightings  # noqa: PLC0415
    from radseg.mapping.voxel_map import VoxelMap  # noqa: PLC0415

    components = request.settings.components
    ids = sequence.frame_ids()[:: request.settings.skip + 1]
    parameters = request.parameters(sequence)
    with _opened(request.output, request.existing, parameters) as (earlier, name):
        progress = Progress() if earlier is None else Progress.resumed(earlier.build["frames"], ids)
        mapper = make_mapper()
        if components is not None and (mapper.lift is None or mapper.description.names):
            raise InputError("Principal components are of features; this map has none.")
        if request.existing == "overwrite":  # only now: what failed has not cost a replacement half done
            abandon(request.output)
        if components is not None:
            mapper = _compressed(mapper, request, sequence, ids, earlier)
        if earlier is not None:
            earlier.description.require_same(mapper.description, what="The model")
        grown = VoxelMap(
            mapper.description,
            folder=request.output,
            budget=request.budget,
            shards=() if earlier is None else earlier.shards,
            keep=tiles_to_keep(request.output) if name == NEXT else (),
        )
        seconds = request.checkpoint_seconds
        identity = "" if earlier is None or not earlier.shards else earlier.identity
        before = {} if earlier is None else earlier.build
        notes = {key: before[key] for key in ("check",) if key in before} | request.notes()
        folder = None if request.recording is None else request.recording.folder
        builder = Builder(
            mapper, grown, request.output, parameters, progress, seconds, name, identity, notes, folder
        )
        if earlier is not None and earlier.sightings:
            builder.sightings = read_sightings(request.output, earlier.sightings)
        builder.kept_sightings = sightings_to_keep(request.output) if name == NEXT else ""
        reporter.started(len(ids) - len(progress.ids), len(progress.ids), request.output)
        builder.run(ids, sequence.read, reporter)
        if not progress.used:
            abandon(request.output, name)
            raise InputError(_no_frame(ids, progress))
        manifest = builder.checkpoint()
        put_in_place(request.output, manifest)
        reporter.ended(manifest, progress, request.output)
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

    basis = fit_basis(features(), int(request.settings.components or 0))
    return mapper.compressed(basis, write_basis(request.output, basis))


def sampled(ids: Sequence[str], count: int) -> list[str]:
    """Return up to `count` of the ids, spread evenly, the first among them."""
    count = min(count, len(ids))
    return [ids[i * len(ids) // count] for i in range(count)]


def _no_frame(ids: Sequence[str], progress: "Progress") -> str:
    if not ids:
        return "The sequence has no frames."
    frame_id, reason = progress.skipped[0]
    return f"None of the {counted(len(ids), 'frame')} could be used. Frame {frame_id}: {reason}"


@contextmanager
def _opened(
    folder: Path, existing: OnExisting, parameters: Mapping[str, Any]
) -> "Iterator[tuple[MapManifest | None, str]]":
    """Lock the folder; yield the manifest of a build to go on with, None for a new one, and its file's name.

    What no manifest names, of a build or merge that was killed or failed, is deleted before and after.
    """
    from radseg.mapping.manifest import MANIFEST, holds_map, read_manifest  # noqa: PLC0415
    from radseg.mapping.replacing import NEXT, is_being_replaced, tidy  # noqa: PLC0415

    with claimed(folder):
        replaced = is_being_replaced(folder)
        if existing == "refuse" and (replaced or holds_map(folder)):
            what = "a map that is being replaced" if replaced else "a map"
            raise InputError(
                f"{folder} holds {what}. Go on with --resume, build it again with --overwrite, or "
                "name another folder with -o."
            )
        name = NEXT if replaced or (existing == "overwrite" and holds_map(folder)) else MANIFEST
        earlier = None
        if existing == "resume" and os.path.lexists(folder / name):
            earlier = read_manifest(folder, name)
            if "parameters" not in earlier.build:
                raise InputError(f"{folder} was not built from a sequence; it cannot be resumed.")
            require_same(earlier.build["parameters"], parameters)
        tidy(folder)
        try:
            yield earlier, name
        except BaseException:
            with suppress(OSError, RadsegError):  # the reason of the failure is what is to be said
                tidy(folder)
            raise


def merge_into(
    sources: Sequence[Path],
    output: Path,
    *,
    budget: int | None = None,
    overwrite: bool = False,
    same_frame: bool = False,
) -> "MapManifest":
    """Merge maps into the folder `output`; see `mapping.merge.merge_maps`.

    Raises:
        InputError: the maps do not fit, or `output` holds a map and may not be replaced.
        ResourceError: the folder cannot be written, or another process writes it.
    """
    from radseg.mapping.manifest import holds_map  # noqa: PLC0415
    from radseg.mapping.merge import merge_maps, require_mergeable  # noqa: PLC0415

    require_mergeable(sources, output, same_frame=same_frame)
    if holds_map(output) and not overwrite:
        raise InputError(
            f"{output} holds a map. Replace it with --overwrite, or name another folder with -o."
        )
    with _opened(output, "overwrite" if overwrite else "refuse", {}):
        return merge_maps(sources, output, budget=budget, same_frame=same_frame)
