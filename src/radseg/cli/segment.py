"""`radseg segment`: images and prompts in, a folder of results out."""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Annotated, Any, Literal

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode
from radseg.cli.model_options import PROMPTS, ModelChoice, takes_model
from radseg.errors import InputError
from radseg.modes import STUFF, Keep, Mode

_RUN = "Run"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Image files, folders with their subfolders, globs in quotes, list files (@list, *.txt), https://…",
        show_default=False,
    ),
]
Vocabulary = Annotated[
    Path | None,
    typer.Option("--vocabulary", help="Pack of `radseg text`: no text tower.", rich_help_panel=PROMPTS),
]
ModeOption = Annotated[
    Mode,
    typer.Option(
        "--mode",
        help="background: a pixel may be none of the names. assign: every pixel gets a name. "
        "independent: each name is judged alone.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder for the results. Default: the first free of radseg-output, -2, -3 …",
        rich_help_panel=_RUN, show_default=False,
    ),
]  # fmt: skip
Save = Annotated[
    str,
    typer.Option(
        "--save",
        help="Some of labels, overlay, legend, heatmaps, pca, npz, coco, objects; and formats of "
        "`radseg export`, which go to the folder exports.",
        rich_help_panel=_RUN,
    ),
]
Objects = Annotated[
    bool,
    typer.Option(
        "--objects",
        help="Find each object: by SAM with a model that ends in +, else connected parts. Adds "
        "objects/photo.json; overlay and coco show objects.",
        rich_help_panel=_RUN,
    ),
]
Stuff = Annotated[
    str | None,
    typer.Option(
        "--stuff",
        help="Names that are one object each, such as 'sky, grass', in place of the built-in list.",
        rich_help_panel=_RUN, show_default=False,
    ),
]  # fmt: skip
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the run in the output folder.", rich_help_panel=_RUN)
]
Change = Annotated[
    bool,
    typer.Option(
        "--change",
        help="Apply other prompts, mode, thresholds or --save to the run in the output folder: only what "
        "they decide is done again.",
        rich_help_panel=_RUN,
    ),
]
KeepOption = Annotated[
    Keep | None,
    typer.Option(
        "--keep",
        help="features: store them (float16, 5 MB an image with radseg-b), so that --change only compares "
        "prompts again. features-float32: twice the size, exact. Default: none, or as the run in the folder.",
        rich_help_panel=_RUN, show_default=False,
    ),
]  # fmt: skip
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the results in the output folder.", rich_help_panel=_RUN),
]


@takes_model("model", "method", "templates", "weights", "auxiliary", "device", "memory")
def segment(
    sources: Sources,
    choice: ModelChoice,
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    vocabulary: Vocabulary = None,
    mode: ModeOption = "background",
    output: Output = None,
    save: Save = "labels,overlay",
    objects: Objects = False,
    stuff: Stuff = None,
    resume: Resume = False,
    change: Change = False,
    overwrite: Overwrite = False,
    keep: KeepOption = None,
    keep_paths: options.KeepPaths = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Segment images by prompts.

    Each image gets a label map (masks/photo.png: 0 = none, names from 1) and an overlay
    (overlays/photo.jpg); the run gets classes.json and manifest.jsonl.

    A run that broke off continues with --resume; --change asks it for other prompts.

    Example: radseg segment photo.jpg -p "sky, grass, sheep" -m radseg-b
    """
    from radseg.cli.downloads import download_reporter
    from radseg.cli.reporters import reporter
    from radseg.jobs.folder import free_folder
    from radseg.runs.outputs import parse_outputs
    from radseg.runs.segmentation import DEFAULT_OUTPUT, SegmentRequest, segment_sources

    kinds, formats = parse_outputs(f"{save},objects" if objects else save)
    if stuff is not None and "objects" not in kinds:
        raise InputError("--stuff says which names are no countable objects; it needs --objects.")
    existing_run = "change" if change else existing(resume=resume, overwrite=overwrite)
    if (resume or change) and output is None:
        raise InputError("--resume and --change need the folder of the run to continue: add -o FOLDER.")
    if change and (resume or overwrite):
        raise InputError("--change goes on with the run in the folder; leave --resume and --overwrite out.")
    folder = output or free_folder(DEFAULT_OUTPUT)
    request = SegmentRequest(
        sources=tuple(sources),
        prompts=_prompts(prompts, classes, vocabulary, choice.options.get("templates")),
        output=folder,
        model=choice.spec(quiet=quiet),
        mode=mode,
        existing=existing_run,
        keep_paths=keep_paths,
        kinds=kinds,
        keep=keep,
        formats=formats,
        stuff=STUFF if stuff is None else frozenset(one.strip() for one in stuff.split(",") if one.strip()),
    )
    with terminated_like_interrupted():
        events = reporter(log_format, quiet=quiet, resume=resume_command(sys.argv[1:], folder))
        report = segment_sources(request, events, download_reporter(log_format, quiet=quiet))
    if report.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def existing(*, resume: bool, overwrite: bool) -> Literal["refuse", "resume", "overwrite"]:
    """Return what is to be done with an earlier run in the output folder.

    Raises:
        InputError: both options are given.
    """
    if resume and overwrite:
        raise InputError("--resume continues a run and --overwrite starts it again; use one of them.")
    return "resume" if resume else "overwrite" if overwrite else "refuse"


def resume_command(arguments: list[str], folder: Path) -> str:
    """Return the command line that continues this run."""
    named = any(one in ("-o", "--output") or one.startswith("--output=") for one in arguments)
    kept = [one for one in arguments if one not in ("--overwrite", "--resume")]
    again = [] if "--change" in kept else ["--resume"]  # a change goes on by itself, begun or not
    return shlex.join(["radseg", *kept, *([] if named else ["-o", str(folder)]), *again])


def _prompts(
    prompts: list[str] | None, classes: Path | None, pack: Path | None, templates: str | None
) -> Any:
    vocabulary = options.vocabulary_of(prompts, classes)
    if (vocabulary is None) == (pack is None):
        raise InputError("Say what to look for with exactly one of -p, --classes, --vocabulary.")
    if pack is not None and templates is not None:
        raise InputError(
            "--templates has no effect on a pack; give it to `radseg text` when making the pack."
        )
    return vocabulary or pack


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let `kill` and a cluster's time limit end the run as Ctrl-C does: recorded, with a way to continue."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
