"""The `radseg` command: its verbs, its two global options, and nothing heavy."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from radseg.cli.ablate import ablate
from radseg.cli.analyse import analyse_app
from radseg.cli.bench import bench
from radseg.cli.compare import compare
from radseg.cli.demo import demo
from radseg.cli.doctor import doctor
from radseg.cli.eval import evaluate
from radseg.cli.failures import GuardedGroup
from radseg.cli.map import map_app
from radseg.cli.models import models_app
from radseg.cli.query import query
from radseg.cli.report import report
from radseg.cli.segment import segment
from radseg.cli.sheet import sheet
from radseg.cli.text import text

app = typer.Typer(
    cls=GuardedGroup,
    name="radseg",
    help="Open-vocabulary segmentation: type words, get masks (RADSeg, arXiv 2511.19704).",
    epilog="Exit codes: 0 done, 1 some images failed (listed), 2 wrong use, 3 the environment (disk, "
    "weights, permissions), 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(no_args_is_help=True)(segment)
app.command(no_args_is_help=True)(text)
app.add_typer(models_app, name="models")
app.command()(doctor)
app.command()(demo)
app.command(no_args_is_help=True)(query)
app.add_typer(map_app, name="map")
app.command("eval", no_args_is_help=True)(evaluate)
app.command(no_args_is_help=True)(report)
app.command(no_args_is_help=True)(ablate)
app.command()(bench)
app.command(no_args_is_help=True)(sheet)
app.add_typer(analyse_app, name="analyse")
app.command(no_args_is_help=True)(compare)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"radseg {installed_version()}")
        raise typer.Exit


def installed_version() -> str:
    """Return the version of the installed package; "not installed" when run from a bare checkout."""
    try:
        return version("radseg")
    except PackageNotFoundError:
        return "not installed"


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="RADSEG_DEBUG")] = False,
) -> None:
    if debug:
        os.environ["RADSEG_DEBUG"] = "1"
    for stream in (sys.stdout, sys.stderr):  # a file name may hold bytes that are no text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
