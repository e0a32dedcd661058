"""`radseg video`: a video file and prompts in, masks of its frames and a video of overlays out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.errors import InputError
from radseg.modes import Mode

if TYPE_CHECKING:
    from radseg.result import Segmentation


@takes_model("model", "method", "templates", "weights", "auxiliary", "device", "memory")
def video(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="MP4, MOV, MKV, WebM, AVI or TS.", show_default=False)
    ],
    choice: ModelChoice,
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    mode: Annotated[
        Mode, typer.Option("--mode", help="How the names compete; see `radseg segment`.")
    ] = "background",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "radseg-video"
    ),
    every: Annotated[int, typer.Option("--every", help="Do one of so many frames.")] = 1,
    smoothing: Annotated[
        float,
        typer.Option(
            "--smoothing",
            help="Part of earlier frames in the features of a frame, 0 to below 1.",
        ),
    ] = 0.0,
    quiet: options.Quiet = False,
) -> None:
    """Segment a video by prompts.

    Each frame gets a label map (masks/000123.png: 0 = none, names from 1) and a line of frames.jsonl; all
    of them together overlay.mp4 and classes.json. Memory does not grow with the video.

    Example: radseg video film.mp4 -p "sky, grass, sheep" -m radseg-b --every 5
    """
    from radseg.cli.downloads import download_reporter
    from radseg.runs.video import VideoRequest, segment_video

    vocabulary = options.vocabulary_of(prompts, classes)
    if vocabulary is None:
        raise InputError("Say what to look for with -p or --classes.")
    request = VideoRequest(file, vocabulary, choice.spec(quiet=quiet), output, mode, every, smoothing)
    report = segment_video(
        request,
        download_reporter("text", quiet=quiet),
        _no_more if quiet else _tell,
    )
    if not quiet:
        typer.echo(f"{report.done} of {report.read} frames. Written to {printable(str(output))}: overlay.mp4")


def _tell(index: int, result: "Segmentation") -> None:
    shares = sorted(result.areas.items(), key=lambda item: -item[1])
    found = ", ".join(f"{printable(name)} {share:.0%}" for name, share in shares[:5] if share >= 0.005)
    typer.echo(f"frame {index}: {found or 'none of the names'}")


def _no_more(index: int, result: "Segmentation") -> None:
    """Say nothing of a frame."""
