"""`radseg segment`: images and vocabulary in, a folder of results out."""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Annotated, Any, Literal

import typer

from radseg import modes
from radseg.cli import options
from radseg.cli.failures import ExitCode
from radseg.errors import InputError
from radseg.modes import Mode

_RUN = "Run"
_METHOD = "Method (default: the model's own)"
_MACHINE = "Machine"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Image files, folders with their subfolders, globs in quotes, list files (@list or *.txt).",
        show_default=False,
    ),
]
Vocabulary = Annotated[
    Path | None,
    typer.Option("--vocabulary", help="Pack of `radseg text`: no text tower.", rich_help_panel=options.WORDS),
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
    typer.Option("--save", help="Some of labels, overlay, heatmaps, pca, npz, coco.", rich_help_panel=_RUN),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the run in the output folder.", rich_help_panel=_RUN)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the results in the output folder.", rich_help_panel=_RUN),
]
ShortSide = Annotated[
    str | None,
    typer.Option("--short-side", help="Scale to this short side, or native.", rich_help_panel=_METHOD),
]
LongSide = Annotated[
    str | None,
    typer.Option("--long-side", help="At most this long side, or native.", rich_help_panel=_METHOD),
]  # fmt: skip
Crop = Annotated[
    str | None, typer.Option("--crop", help="Window side in pixels, or whole.", rich_help_panel=_METHOD)
]
Stride = Annotated[
    int | None, typer.Option("--stride", min=1, help="Step between windows.", rich_help_panel=_METHOD)
]
SizeRule = Annotated[
    Literal["patch", "stride"] | None,
    typer.Option(
        "--size-rule", help="patch: round sides to the patch. stride: up to the stride, as published.",
        rich_help_panel=_METHOD,
    ),
]  # fmt: skip
Scra = Annotated[
    str | None,
    typer.Option("--scra", help="Temperature of SCRA (paper: 10), or off.", rich_help_panel=_METHOD),
]
Scga = Annotated[
    str | None,
    typer.Option("--scga", help="Temperature of SCGA (paper: 10), or off.", rich_help_panel=_METHOD),
]
Denoise = Annotated[
    float | None,
    typer.Option(
        "--denoise", min=0, max=1, help="Drop names that are nowhere this probable.", rich_help_panel=_METHOD
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0,
        max=1,
        help="Pixels less probable than this are none (default 0; independent: 0.5).",
        rich_help_panel=_METHOD,
    ),
]
Refine = Annotated[
    modes.Refine | None,
    typer.Option(
        "--refine", help="corrected: RADSeg+, masks through SAM's decoder; reference: as its published code. "
        "pamr: follow the image's colours. regions: one name per region (CorrCLIP only).",
        rich_help_panel=_METHOD,
    ),
]  # fmt: skip
Checkpoint = Annotated[
    str | None,
    typer.Option("--checkpoint", help="Other weights: a file or folder.", rich_help_panel=_METHOD),
]  # fmt: skip
Auxiliary = Annotated[
    list[str] | None,
    typer.Option(
        "--aux", metavar="NAME=PATH", help="Where a method's further network lies: "
        "dino-vit-b-8=FOLDER (radseg models list). May be given several times.",
        rich_help_panel=_METHOD, show_default=False,
    ),
]  # fmt: skip
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop", help="Leave out tensors of a published file by prefix, if it cannot be read otherwise.",
        rich_help_panel=_METHOD,
    ),
]  # fmt: skip
Sam = Annotated[
    str | None,
    typer.Option("--sam", help="SAM ViT-H file, if not from the cache.", rich_help_panel=_METHOD),
]  # fmt: skip
Dtype = Annotated[
    Literal["float32", "float16", "bfloat16"],
    typer.Option("--dtype", help="Of weights: float32, float16 or bfloat16.", rich_help_panel=_MACHINE),
]
MemoryBudget = Annotated[
    str | None,
    typer.Option(
        "--memory-budget", help="Working memory beside the weights, such as 1GiB.", rich_help_panel=_MACHINE
    ),
]  # fmt: skip


def segment(
    sources: Sources,
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    vocabulary: Vocabulary = None,
    templates: options.Templates = None,
    text_tower: options.TextTower = None,
    model: options.Model = None,
    mode: ModeOption = "background",
    output: Output = None,
    save: Save = "labels,overlay",
    resume: Resume = False,
    overwrite: Overwrite = False,
    short_side: ShortSide = None,
    long_side: LongSide = None,
    crop: Crop = None,
    stride: Stride = None,
    size_rule: SizeRule = None,
    scra: Scra = None,
    scga: Scga = None,
    denoise: Denoise = None,
    threshold: Threshold = None,
    refine: Refine = None,
    checkpoint: Checkpoint = None,
    sam: Sam = None,
    helper: Auxiliary = None,
    drop: Drop = None,
    device: options.Device = "cpu",
    dtype: Dtype = "float32",
    memory_budget: MemoryBudget = None,
    accept_license: options.AcceptLicense = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Segment images by vocabulary.

    Each image gets a label map (photo.png: 0 = none, names from 1) and an overlay
    (photo.overlay.jpg); the run gets classes.json and manifest.jsonl.

    A run that broke off continues with --resume.

    Example: radseg segment photo.jpg -p "sky, grass, sheep" -m radseg-b
    """
    from radseg.cli.downloads import fetching
    from radseg.cli.reporters import reporter
    from radseg.jobs.folder import free_folder
    from radseg.runs.outputs import parse_kinds
    from radseg.runs.segmentation import DEFAULT_OUTPUT, SegmentRequest, segment_sources
    from radseg.runs.values import parse_bytes, parse_or, parse_places, parse_temperature

    if resume and overwrite:
        raise InputError("--resume continues a run and --overwrite starts it again; use one of them.")
    if resume and output is None:
        raise InputError("--resume needs the folder of the run to continue: add -o FOLDER.")
    folder = output or free_folder(DEFAULT_OUTPUT)
    typed: dict[str, Any] = {
        "templates": templates,
        "text_tower": None if text_tower is None else str(text_tower.resolve()),
        "stride": stride,
        "size_rule": size_rule,
        "denoising": denoise,
        "threshold": threshold,
        "refine": refine,
        "checkpoint": checkpoint,
        "sam": sam,
        "auxiliary": parse_places(helper, what="--aux") if helper else None,
        "drop": drop or None,
        "dtype": dtype,
    }
    settings = {name: value for name, value in typed.items() if value is not None}
    for name, text, option, word in (
        ("short_side", short_side, "--short-side", "native"),
        ("long_side", long_side, "--long-side", "native"),
        ("crop", crop, "--crop", "whole"),
    ):
        if text is not None:
            settings[name] = parse_or(text, word, what=option)
    for name, text, option in (("scra_temperature", scra, "--scra"), ("scga_temperature", scga, "--scga")):
        if text is not None:
            settings[name] = parse_temperature(text, what=option)
    machine: dict[str, Any] = {"device": device, "accept_license": accept_license}
    if memory_budget is not None:
        machine["memory_budget"] = parse_bytes(memory_budget)
    request = SegmentRequest(
        sources=tuple(sources),
        prompts=_prompts(prompts, classes, vocabulary, templates),
        output=folder,
        model="radseg-b" if model is None and checkpoint else options.chosen_model(model, quiet=quiet),
        mode=mode,
        existing="resume" if resume else "overwrite" if overwrite else "refuse",
        kinds=parse_kinds(save),
        settings=settings,
        machine=machine,
    )
    with terminated_like_interrupted():
        events = reporter(log_format, quiet=quiet, resume=resume_command(sys.argv[1:], folder))
        report = segment_sources(request, events, fetching(log_format, quiet=quiet))
    if report.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def resume_command(arguments: list[str], folder: Path) -> str:
    """Return the command line that continues this run."""
    named = any(one in ("-o", "--output") or one.startswith("--output=") for one in arguments)
    kept = [one for one in arguments if one not in ("--overwrite", "--resume")]
    return shlex.join(["radseg", *kept, *([] if named else ["-o", str(folder)]), "--resume"])


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
