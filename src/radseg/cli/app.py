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
from radseg.cli.export import export
from radseg.cli.failures import GuardedGroup
from radseg.cli.imports import import_labels
from radseg.cli.map import map_app
from radseg.cli.models import models_app
from radseg.cli.query import query
from radseg.cli.report import report
from radseg.cli.review import review
from radseg.cli.segment import segment
from radseg.cli.sheet import sheet
from radseg.cli.text import text
from radseg.cli.video import video

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
_IMAGES, _MAPS, _RESEARCH, _SETUP = "Images", "Maps of RGB-D recordings", "Evaluation", "This machine"
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(segment)
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(review)
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(video)
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(export)
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(compare)
app.command(no_args_is_help=True, rich_help_panel=_IMAGES)(text)
app.add_typer(map_app, name="map", rich_help_panel=_MAPS)
app.command(no_args_is_help=True, rich_help_panel=_MAPS)(query)
app.command("eval", no_args_is_help=True, rich_help_panel=_RESEARCH)(evaluate)
app.command("import", no_args_is_help=True, rich_help_panel=_RESEARCH)(import_labels)
app.command(no_args_is_help=True, rich_help_panel=_RESEARCH)(report)
app.command(no_args_is_help=True, rich_help_panel=_RESEARCH)(ablate)
app.command(no_args_is_help=True, rich_help_panel=_RESEARCH)(sheet)
app.command(rich_help_panel=_RESEARCH)(bench)
app.add_typer(analyse_app, name="analyse", rich_help_panel=_RESEARCH)
app.command(rich_help_panel=_SETUP)(demo)
app.add_typer(models_app, name="models", rich_help_panel=_SETUP)
app.command(rich_help_panel=_SETUP)(doctor)


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
