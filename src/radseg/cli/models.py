"""`radseg models`: what can be chosen, what is on this machine, and under which licence."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from radseg.cli import options
from radseg.cli.failures import ExitCode, GuardedGroup, emit, printable
from radseg.errors import InputError

if TYPE_CHECKING:
    from radseg.weights.catalog import Row
    from radseg.weights.options import DownloadOptions

models_app = typer.Typer(
    cls=GuardedGroup, help="List, fetch, and check models and their licences.", no_args_is_help=True
)

Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Models or weights, see `radseg models list`.")
]


_LEGEND = (
    "size: roughly what is fetched; to fetch: what of it is not here yet. paper: the table of RADSeg "
    "(arXiv 2511.19704) that measures this method on this backbone."
)


@models_app.command("list")
def list_models(
    everything: Annotated[bool, typer.Option("--all", help="Also the weights behind the models.")] = False,
    log_format: options.LogFormat = "text",
) -> None:
    """List the models: what each needs, what of it is still to fetch, what the paper measured.

    Contacts nothing.
    """
    from radseg.presets.choose import required_by
    from radseg.presets.plugins import load_installed
    from radseg.presets.table import PRESETS
    from radseg.weights import catalog
    from radseg.weights.installed import is_cached

    load_installed()
    here = {row.name for row in catalog.ROWS if is_cached(row)}
    models = [(preset, required_by(name)) for name, preset in PRESETS.items()]
    if log_format == "json":
        for preset, rows in models:
            facts = {"model": preset.name, "weights": [row.name for row in rows]}
            cached = all(row.name in here for row in rows)
            emit(**facts, cached=cached, **_bytes(rows, here), paper=preset.paper, note=preset.note)
        for row in catalog.ROWS if everything else ():
            facts = {"weights": row.name, "kind": row.kind, "license": row.license.id, "page": row.page}
            emit(**facts, cached=row.name in here, **_bytes([row], here), warning=row.warning)
        return
    table = _table("model", "paper", "about")
    for preset, rows in models:
        names = f"\n[dim]{', '.join(row.name for row in rows)}[/]" if rows else ""
        about = f"{escape(preset.note)}{names}"
        table.add_row(preset.name, *_sizes(rows, here), preset.paper or "-", about)
    console = Console()
    console.print(table)
    if everything:
        weights = _table("weights", "about")
        for row in catalog.ROWS:
            warning = f"\n{row.warning}" if row.warning else ""
            about = f"{catalog.KINDS[row.kind]}, licence: {row.license.id}{warning}"
            weights.add_row(row.name, *_sizes([row], here), escape(about))
        console.print()
        console.print(weights)
    console.print(f"\n{_LEGEND}", highlight=False)


@models_app.command(no_args_is_help=True)
def pull(
    names: Names,
    accept_license: options.AcceptLicense = False,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop",
            metavar="PREFIX",
            help="Leave out tensors of a published RADIO file by prefix, where a message names them.",
        ),
    ] = None,
    keep_original: Annotated[
        bool,
        typer.Option(
            "--keep-original", help="Keep published files that are fetched whole beside what is made of them."
        ),
    ] = False,
    contrast: Annotated[
        bool,
        typer.Option(
            "--contrast", help="Also embed the contrast bank, which the first image would wait for."
        ),
    ] = False,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Fetch and convert weights now, so that later runs need no network."""
    from radseg.cli.downloads import download_reporter
    from radseg.presets.choose import rows_of
    from radseg.presets.parts import resolve
    from radseg.weights.options import DownloadOptions
    from radseg.weights.plan import announce

    rows = tuple(dict.fromkeys(row for name in names for row in rows_of(name)))
    how = DownloadOptions(
        accept_license, tuple(drop or ()), download_reporter(log_format, quiet=quiet), keep_original
    )
    announce(rows, how, ", ".join(names))
    for row in rows:
        path = resolve(row.name, None, how)
        if log_format == "json":
            emit(event="pulled", name=row.name, path=str(path))
        elif not quiet:
            typer.echo(printable(f"{row.name} is at {path}"))
    if contrast:
        _embed_banks(names, how)
    elif any(row.kind == "text" for row in rows) and log_format == "text" and not quiet:
        command = f"radseg models pull {' '.join(names)} --contrast"
        typer.echo(f"The contrast bank is embedded with the first image; now: {command}")


def _embed_banks(names: list[str], how: "DownloadOptions") -> None:
    from radseg.presets.spec import model_spec
    from radseg.presets.table import PRESETS
    from radseg.runs.packs import embed_bank

    models = [name for name in names if name in PRESETS]
    if not models:
        raise InputError(f"--contrast needs a model, such as radseg-b; {', '.join(names)} are weights.")
    for name in models:
        spec = model_spec(name, accept_license=how.accept_license, drop=how.drop)
        if embed_bank(spec, how.reporter) is None:
            typer.echo(f"{name} embeds prompts at once; its contrast bank needs no preparation.", err=True)


@models_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all that are here.")
    ] = None,
    log_format: options.LogFormat = "text",
) -> None:
    """Compare the files on this machine with their recorded checksums.

    Ends with 1 when a file is damaged, missing, or nothing of a named model is here.
    """
    from radseg.presets.choose import rows_of, verify_rows
    from radseg.weights import catalog

    chosen = tuple(dict.fromkeys(row for name in names or () for row in rows_of(name)))
    bad = 0
    seen = 0
    for row, checks in verify_rows(chosen or catalog.ROWS):
        if not checks and chosen:
            bad += 1
            _tell(log_format, row.name, "", f"not on this machine; radseg models pull {row.name}", ok=False)
        for check in checks:
            seen += 1
            bad += not check.ok
            verdict = "ok" if check.ok else f"content is {check.found}, should be {check.expected}; delete it"
            _tell(log_format, row.name, str(check.path), verdict, ok=check.ok)
    if not seen and not chosen and log_format == "text":
        typer.echo("No weights are on this machine. Fetch some: radseg models pull radseg-b")
    if bad:
        raise typer.Exit(ExitCode.SOME_FAILED)


@models_app.command("license", no_args_is_help=True)
def show_license(names: Names, log_format: options.LogFormat = "text") -> None:
    """Print the licence of each set of weights and whether it must be accepted with --accept-license."""
    from radseg.presets.choose import rows_of

    for row in dict.fromkeys(row for name in names for row in rows_of(name)):
        terms = row.license
        if log_format == "json":
            facts = {"license": terms.id, "title": terms.title, "url": terms.url}
            emit(name=row.name, **facts, must_accept=terms.requires_acceptance)
            continue
        accept = "needs --accept-license" if terms.requires_acceptance else "no acceptance needed"
        typer.echo(f"{row.name}: {terms.title}; {accept}\n  {terms.url}")


def _bytes(rows: "Sequence[Row]", here: Container[str]) -> dict[str, int]:
    """Return what is fetched for weights, and what of it is still to fetch."""
    missing = sum(row.bytes for row in rows if row.name not in here)
    return {"bytes": sum(row.bytes for row in rows), "bytes_to_fetch": missing}


def _sizes(rows: "Sequence[Row]", here: Container[str]) -> list[str]:
    """Return the same as text, "-" for nothing."""
    from radseg.weights.catalog import size_text

    return [size_text(count) if count else "-" for count in _bytes(rows, here).values()]


def _table(first: str, *rest: str) -> Table:
    """Return a table of names, sizes, and more, whose last column alone may wrap: names are to be copied."""
    table = Table(box=None, pad_edge=False)
    for column in (first, "size", "to fetch", *rest):
        right: Literal["left", "right"] = "right" if column in ("size", "to fetch") else "left"
        table.add_column(column, no_wrap=column != "about", overflow="fold", justify=right)
    return table


def _tell(log_format: str, name: str, path: str, verdict: str, *, ok: bool) -> None:
    if log_format == "json":
        emit(name=name, path=path, ok=ok, message=verdict)
    else:
        typer.echo(printable(": ".join(part for part in (name, path, verdict) if part)))
