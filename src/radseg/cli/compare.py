"""`radseg compare`: one photo, the same prompts, several models side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode, printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.errors import InputError
from radseg.modes import Mode

if TYPE_CHECKING:
    from radseg.runs.comparison import Compared

DEFAULT = ("miniature-radio", "miniature-naradio", "miniature-resradio", "miniature")


@takes_model("models", "method", "auxiliary", "device", "memory", default=", ".join(DEFAULT))
def compare(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The photo.", show_default=False)],
    choice: ModelChoice,
    prompts: options.Prompts = None,
    classes: options.Classes = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The sheet: .png, .jpg or .webp.")] = Path(
        "sheet.png"
    ),
    mode: Annotated[
        Mode, typer.Option("--mode", help="How the names compete; see `radseg segment`.")
    ] = "assign",
    quiet: options.Quiet = False,
) -> None:
    """Draw what several models see in one photo, side by side, with their seconds.

    Seconds are those of one call after another one, without loading and without embedding the prompts.

    Example: radseg compare photo.jpg -p "sky, grass, sheep" -m radseg-b -m naradio-b -o sheet.png
    """
    from radseg.cli.downloads import download_reporter
    from radseg.runs.comparison import CompareRequest
    from radseg.runs.comparison import compare as run

    vocabulary = options.vocabulary_of(prompts, classes)
    if vocabulary is None:
        raise InputError("Say what to look for with -p or --classes.")
    request = CompareRequest(image, vocabulary, choice.specs(DEFAULT), output, mode)
    answers = run(request, download_reporter("text", quiet=quiet), lambda one: _tell(one, quiet=quiet))
    if not quiet:
        typer.echo(f"Written: {printable(str(output))}")
    if any(one.result is None for one in answers):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _tell(one: "Compared", *, quiet: bool) -> None:
    if one.result is None:
        typer.echo(f"{one.preset}: left out. {printable(one.failure)}", err=True)
    elif not quiet:
        from radseg.runs.shares import all_dropped

        shares = sorted(one.result.areas.items(), key=lambda item: -item[1])
        found = ", ".join(f"{printable(name)} {share:.0%}" for name, share in shares[:5] if share >= 0.005)
        found = found or printable(all_dropped(one.result)) or "none of the names"
        typer.echo(f"{one.preset}: {one.seconds:.2f} s; {found}")
