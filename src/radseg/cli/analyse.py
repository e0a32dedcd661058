"""`radseg analyse`: looks inside a model that no score shows."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode, GuardedGroup, emit, printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.cli.values import parse_point
from radseg.errors import InputError
from radseg.files import counted

analyse_app = typer.Typer(cls=GuardedGroup, help="Look inside a model.", no_args_is_help=True)


@analyse_app.command()
@takes_model("model", "weights", "auxiliary", "device")
def alignment(
    choice: ModelChoice,
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGE|FOLDER|GLOB|@LIST]...", help="Images.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for numbers and maps.")] = Path(
        "alignment"
    ),
    rooms: Annotated[
        int, typer.Option("--rooms", min=0, help="Held-out rooms of the miniature, instead of images.")
    ] = 0,
    side: Annotated[
        int | None, typer.Option("--side", help="Window in pixels; by default that of the model.")
    ] = None,
    maps: Annotated[int, typer.Option("--maps", min=0, help="Images whose map is drawn.")] = 20,
    log_format: options.LogFormat = "text",
) -> None:
    """Measure how far patches of a RADIO, CLIP or DINOv2 say what its CLS token says (paper A6, Fig. A.2).

    Writes alignment.md, .csv and .json, the mean map, and a map per image.

    Example: radseg analyse alignment --rooms 24 -m miniature
    """
    from radseg.cli.downloads import download_reporter
    from radseg.evaluation.report.writing import write_image
    from radseg.evaluation.studies.alignment import (
        Summary,
        align,
        image_sources,
        require_cls_token,
        room_sources,
        write_report,
    )
    from radseg.presets.load import fetch_and_load

    if bool(sources) == bool(rooms):
        raise InputError("Name images, or a number of --rooms; one of both.")
    chosen = room_sources(rooms) if rooms else image_sources(sources or [], exclude=[output])
    model = choice.spec(quiet=log_format == "json").changed(refine="none")
    require_cls_token(model)
    downloads = download_reporter(log_format, quiet=False)
    segmenter = fetch_and_load(model, downloads, with_text=False)
    summary, window = Summary(), 0
    for number, one in enumerate(align(segmenter, chosen, summary, side=side)):
        window = one.image.shape[0]
        if number < maps:
            write_image(output / "maps" / f"{number + 1:04d}-{Path(one.name).name[:80]}.png", one.draw())
        if log_format == "json":
            emit(event="image", name=one.name, mean=one.mean)
    mean = summary.mean
    checkpoint = segmenter.origin.get("checkpoint")
    written = write_report(output, summary, preset=model.name, checkpoint=checkpoint, side=window)
    for name, reason in summary.failed.items():
        typer.echo(printable(f"{name}: {reason}"), err=True)
    if log_format == "json":
        event = {"event": "done", "mean": mean.value, "low": mean.low, "high": mean.high}
        emit(**event, images=len(summary.means), failed=len(summary.failed))
    else:
        typer.echo(
            f"{model.name}: mean CLS-patch cosine {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] "
            f"over {counted(len(summary.means), 'image')}, window {window}"
        )
        typer.echo("Written:\n" + "\n".join(f"  {path}" for path in written))
    if summary.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


@analyse_app.command()
@takes_model("model", "weights", "auxiliary", "device")
def similarity(
    choice: ModelChoice,
    image: Annotated[Path, typer.Argument(help="One image.")],
    at: Annotated[str, typer.Option("--at", metavar="X,Y", help="Pixel whose patch is compared.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for similarity.png and .npz.")
    ] = Path("similarity"),
    quiet: options.Quiet = False,
) -> None:
    """Show what one patch of a RADIO resembles, asked in several ways (paper Fig. 2).

    Query-key and key-key attention, inner blocks, adapted teachers such as DINOv2 and SAM, the last block.

    Example: radseg analyse similarity photo.jpg --at 120,80 -m radseg-b
    """

    from radseg.cli.downloads import download_reporter
    from radseg.evaluation.studies.alignment import require_radio
    from radseg.evaluation.studies.similarity import write_similarity

    point = parse_point(at)
    model = choice.spec(quiet=quiet).changed(refine="none")
    require_radio(model)
    written = write_similarity(output, model, download_reporter("text", quiet=quiet), image, point)
    if not quiet:
        typer.echo("Written:\n" + "\n".join(f"  {path}" for path in written))
