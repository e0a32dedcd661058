"""`radseg map`: build a map from RGB-D frames; look at, check, merge and export maps."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode, GuardedGroup, emit, printable
from radseg.cli.map_export import export
from radseg.cli.map_view import render, view
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.errors import InputError, ResourceError
from radseg.files import counted

if TYPE_CHECKING:
    from radseg.cli.map_reports import JsonMapReporter, PlainMapReporter
    from radseg.datasets.rgbd import FileSequence
    from radseg.mapping.mapper import Mapper
    from radseg.presets.spec import ModelSpec
    from radseg.text.vocabulary import Vocabulary

map_app = typer.Typer(
    cls=GuardedGroup,
    help="Build maps from RGB-D frames, look into them, merge and export them.",
    no_args_is_help=True,
)

_FRAMES = "Frames"
_MAP = "Map"
MapFolder = Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)]
Output = Annotated[Path, typer.Option("-o", "--output", help="What to write.", show_default=False)]
Space = Annotated[
    Literal["features", "probabilities", "none"],
    typer.Option(
        help="features: ask any prompt later. probabilities: of the prompts given now. none: colour only.",
        rich_help_panel=_MAP,
    ),
]
VoxelSize = Annotated[
    float, typer.Option(help="Side of a voxel in metres.", min=1e-4, max=1e3, rich_help_panel=_MAP)
]
Store = Annotated[
    Literal["float16", "float32"], typer.Option("--store", help="Type of stored means.", rich_help_panel=_MAP)
]
Components = Annotated[
    int | None,
    typer.Option(
        min=1, help="Store features in this many principal components, such as 128.", rich_help_panel=_MAP
    ),
]
Objects = Annotated[
    str | None,
    typer.Option(
        "--objects",
        metavar="NAMES",
        help="Note in every frame where objects of these names are, so that those that touch are told apart: "
        '"chair, table". Any word may be asked for later.',
        show_default=False,
        rich_help_panel=_MAP,
    ),
]
FrameName = Annotated[
    str,
    typer.Option("--frame", help="Name of the world frame; maps of one frame merge.", rich_help_panel=_MAP),
]
Clip = Annotated[
    str | None,
    typer.Option(help="Keep points in this box: x0,y0,z0,x1,y1,z1 in metres.", rich_help_panel=_MAP),
]
MemoryBudget = Annotated[
    str,
    typer.Option(help="Memory for tiles and a frame; other tiles wait in files.", rich_help_panel="Machine"),
]
Layout = Annotated[
    str,
    typer.Option(
        help="auto, replica, scannet, scannetpp, scannetpp-iphone, arkit, record3d, tum, or folder.",
        rich_help_panel=_FRAMES,
    ),
]
Skip = Annotated[
    int,
    typer.Option(
        min=0, help="Frames left out after each one taken; 10 takes 0, 11, 22.", rich_help_panel=_FRAMES
    ),
]
DepthScale = Annotated[
    float | None,
    typer.Option(help="Units of the depth files per metre; 1000 is mm.", rich_help_panel=_FRAMES),
]
MaxDepth = Annotated[
    float | None, typer.Option(help="Leave out points farther than this, metres.", rich_help_panel=_FRAMES)
]
MaxPoints = Annotated[
    int | None, typer.Option(min=1, help="Points of a frame, at random.", rich_help_panel=_FRAMES)
]
ColourCamera = Annotated[
    Path | None,
    typer.Option(
        help="Folder with color-intrinsics.txt and depth-to-color.txt: colour has its own camera.",
        show_default=False,
        rich_help_panel=_FRAMES,
    ),
]
Poses = Annotated[
    Literal["camera-to-world", "world-to-camera"] | None,
    typer.Option(help="What the pose files hold.", rich_help_panel=_FRAMES),
]
Axes = Annotated[
    Literal["opencv", "opengl", "left-handed"] | None,
    typer.Option(
        help="Camera axes of the poses; left-handed: y up, z forward, as in Unity.", rich_help_panel=_FRAMES
    ),
]
World = Annotated[
    Literal["right-handed", "left-handed"] | None,
    typer.Option(help="World of the poses; a left-handed one is mirrored.", rich_help_panel=_FRAMES),
]
Camera = Annotated[
    str | None,
    typer.Option(
        help="Depth camera of a folder without calibration: 7-scenes, freiburg1, freiburg2, freiburg3, "
        "icl-nuim, primesense.",
        show_default=False,
        rich_help_panel=_FRAMES,
    ),
]
Check = Annotated[
    bool,
    typer.Option("--check/--no-check", help="Compare frames with each other first.", rich_help_panel=_FRAMES),
]


@map_app.command(no_args_is_help=True)
@takes_model("model", "method", "templates", "weights", "auxiliary", "device")
def build(
    sequence: Annotated[
        Path, typer.Argument(metavar="SEQUENCE", help="Folder of RGB-D frames.", show_default=False)
    ],
    output: Output,
    choice: ModelChoice,
    space: Space = "features",
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    voxel_size: VoxelSize = 0.05,
    store: Store = "float16",
    components: Components = None,
    objects: Objects = None,
    frame: FrameName = "world",
    clip: Clip = None,
    layout: Layout = "auto",
    skip: Skip = 0,
    depth_scale: DepthScale = None,
    max_depth: MaxDepth = None,
    max_points: MaxPoints = None,
    camera: Camera = None,
    colour_camera: ColourCamera = None,
    poses: Poses = None,
    axes: Axes = None,
    world: World = None,
    check: Check = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the map in the output folder.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the map there.")] = False,
    memory_budget: MemoryBudget = "2GiB",
    keep_paths: options.KeepPaths = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Build a map from posed RGB-D frames.

    Example: radseg map build recording/ -o kitchen-map
    """
    from radseg.cli.downloads import download_reporter
    from radseg.cli.map_reports import JsonMapReporter, PlainMapReporter
    from radseg.cli.segment import existing, resume_command, terminated_like_interrupted
    from radseg.cli.values import parse_bytes
    from radseg.runs.lifting import for_features
    from radseg.runs.mapping import BuildRequest, MapSettings, Recording, build_map

    vocabulary, sought = _names(space, options.vocabulary_of(prompts, classes), objects)
    recording = Recording(sequence, layout, depth_scale, poses, axes, colour_camera, world, camera)
    frames = recording.open()
    for note in () if quiet else frames.notes:
        typer.echo(printable(f"Note: {note}"), err=True)
    reporter = JsonMapReporter() if log_format == "json" else PlainMapReporter(quiet=quiet)
    found = _plausible(frames, reporter) if check else None
    stored: dict[str, Any] = {"voxel_size": voxel_size, "store": store, "frame": frame}
    limits: dict[str, Any] = {"max_depth": max_depth, "max_points": max_points, "box": _box(clip)}
    model = None if space == "none" else choice.spec(quiet=quiet)
    lifted = model
    if model is not None and space == "features":
        lifted = for_features(model, objects=sought is not None)
    parameters = {} if lifted is None else lifted.parameters()
    if model is not None and sought is not None:
        parameters["objects_by"] = model.options.refine
    request = BuildRequest(
        output=output,
        settings=MapSettings(
            space, vocabulary, **stored, **limits, skip=skip, components=components, objects=sought
        ),
        recording=recording,
        model_parameters=parameters,
        existing=existing(resume=resume, overwrite=overwrite),
        budget=parse_bytes(memory_budget),
        keep_paths=keep_paths,
        check=found,
    )
    downloads = download_reporter(log_format, quiet=quiet)
    source = model if sought is not None else lifted
    make = _mapper_maker(
        source, (vocabulary, sought), downloads, voxel_size, dtype=store, frame=frame, **limits
    )
    held = _stamp(output)
    with terminated_like_interrupted():
        try:
            progress = build_map(request, frames, make, reporter)
        except (KeyboardInterrupt, ResourceError, OSError):
            if _stamp(output) != held:
                typer.echo(f"Continue with: {resume_command(sys.argv[1:], output)}", err=True)
            elif reporter.begun:  # --resume would go on with a map that was there before
                typer.echo(f"No frame is stored yet. Begin again with: {_again()}", err=True)
            raise
    if progress.skipped:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _names(
    space: str, prompts: "Vocabulary | None", objects: str | None
) -> "tuple[Vocabulary | None, Vocabulary | None]":
    """Return the names of the map's probabilities and of its 2D objects, or refuse those that do not fit."""
    if (prompts is not None) != (space == "probabilities"):
        raise InputError("Prompts (-p, --classes) go with --space probabilities, and it needs prompts.")
    if prompts is not None and len(prompts.phrases) == 1:
        raise InputError(
            f"With {prompts.names[0]!r} alone every voxel would get it. Add more names, or leave out "
            "--space and the prompt: a map of features answers any prompt later."
        )
    if objects is not None and space == "none":
        raise InputError("--objects needs a model to find them with; leave out --space none.")
    return prompts, None if objects is None else options.vocabulary_of([objects], None)


def _again() -> str:
    return shlex.join(["radseg", *sys.argv[1:]])


def _stamp(folder: Path) -> tuple[int, int] | None:
    """Return what changes whenever a build notes how far it is; None where there is no map."""
    from radseg.mapping.manifest import MANIFEST
    from radseg.mapping.replacing import NEXT, is_being_replaced

    try:
        state = (folder / (NEXT if is_being_replaced(folder) else MANIFEST)).lstat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def _mapper_maker(
    model: "ModelSpec | None",
    names: "tuple[Vocabulary | None, Vocabulary | None]",
    downloads: Any,
    *sizes: float,
    **map_options: Any,
) -> "Callable[[], Mapper]":
    """Return what loads the model; `names` are those of the map's probabilities and of its 2D objects."""

    def make() -> "Mapper":
        from radseg.runs import lifting

        if model is None:
            return lifting.colour_mapper(*sizes, **map_options)
        from radseg.presets.load import fetch_and_load

        prompts, objects = names
        segmenter = fetch_and_load(model, downloads, with_text=names != (None, None))
        if prompts is not None:
            mapper = lifting.probability_mapper(segmenter, prompts, *sizes, **map_options)
        else:
            plain = segmenter if objects is None else lifting.unrefined(segmenter)
            mapper = lifting.feature_mapper(plain, *sizes, **map_options)
        return mapper if objects is None else lifting.with_segments(mapper, segmenter, objects)

    return make


def _plausible(
    frames: "FileSequence", reporter: "JsonMapReporter | PlainMapReporter"
) -> dict[str, bool | int | str | None]:
    """Return what the check of the conventions found, or refuse frames that fail it."""
    from radseg.datasets.rgbd import check_conventions

    report = check_conventions(frames)
    reporter.checked(report)
    if report.ok is False:
        options = dict(report.suggestion)
        if (times := options.pop("depth_scale_times", None)) is not None:
            options["depth-scale"] = f"{frames.depth.per_metre * float(times):g}"
        way = " ".join(f"--{key} {value}" for key, value in options.items())
        otherwise = f"Build with {way}, or" if way else "Or build"
        raise InputError(f"{report.verdict} {otherwise} as it is with --no-check.")
    return report.as_json()


def _box(text: str | None) -> Any:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
        low, high = tuple(numbers[:3]), tuple(numbers[3:])
        if len(numbers) != 6 or not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError
    except ValueError as error:
        raise InputError(f"--clip is {text!r}; write x0,y0,z0,x1,y1,z1 with x0 < x1 and so on.") from error
    return low, high


@map_app.command(no_args_is_help=True)
def info(path: MapFolder, log_format: options.LogFormat = "text") -> None:
    """Say what a map holds."""
    from radseg.runs.map_facts import facts_of

    facts = facts_of(path)
    if log_format == "json":
        emit(**facts)
        return
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(printable(f"{name}: {json.dumps(shown) if isinstance(shown, dict) else shown}"))


@map_app.command(no_args_is_help=True)
def verify(path: MapFolder, log_format: options.LogFormat = "text") -> None:
    """Compare every file of a map with its recorded hash. Ends with 1 when one is damaged."""
    from radseg.runs.map_facts import verify_map

    bad = count = 0
    for name, fault in verify_map(path):
        count += 1
        bad += bool(fault)
        if log_format == "json":
            emit(file=name, ok=not fault, message=fault)
        elif fault:
            typer.echo(printable(fault), err=True)
    if log_format == "text":
        typer.echo(f"{count - bad} of {counted(count, 'file')} sound.")
    if bad:
        raise typer.Exit(ExitCode.SOME_FAILED)


@map_app.command(no_args_is_help=True)
def merge(
    maps: Annotated[list[Path], typer.Argument(metavar="MAP...", help="Two or more maps.")],
    output: Output,
    memory_budget: MemoryBudget = "2GiB",
    same_frame: Annotated[
        bool,
        typer.Option(
            "--same-frame", help="The maps share one world frame, though neither name nor recording says so."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the map there.")] = False,
    log_format: options.LogFormat = "text",
) -> None:
    """Merge maps that were built apart, exactly: weights add up, means are weighted means."""
    from radseg.cli.values import parse_bytes
    from radseg.runs.mapping import merge_into

    merged = merge_into(
        maps, output, budget=parse_bytes(memory_budget), overwrite=overwrite, same_frame=same_frame
    )
    if log_format == "json":
        emit(event="merged", voxels=merged.voxels, digest=merged.digest)
    else:
        typer.echo(
            printable(f"{counted(merged.voxels, 'voxel')} from {counted(len(maps), 'map')} → {output}")
        )


map_app.command("export", no_args_is_help=True)(export)
map_app.command("render", no_args_is_help=True)(render)
map_app.command("view", no_args_is_help=True)(view)
