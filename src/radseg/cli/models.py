"""`radseg models`: what can be chosen, what is on this machine, and under which licence."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from radseg.cli import options
from radseg.cli.failures import ExitCode, GuardedGroup, emit, printable

models_app = typer.Typer(
    cls=GuardedGroup, help="List, fetch, and check models and their licences.", no_args_is_help=True
)

Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Models or weights, see `radseg models list`.")
]


@models_app.command("list")
def list_models(
    everything: Annotated[bool, typer.Option("--all", help="Also the weights behind the models.")] = False,
    log_format: options.LogFormat = "text",
) -> None:
    """List the models, what they need, and what of it is on this machine. Contacts nothing."""
    from radseg.presets.choose import required_by
    from radseg.presets.plugins import load_installed
    from radseg.presets.table import PRESETS
    from radseg.weights import catalog
    from radseg.weights.installed import is_cached

    load_installed()
    found = {preset: [row.name for row in required_by(name)] for name, preset in PRESETS.items()}
    here = {row.name for row in catalog.ROWS if is_cached(row)}
    if log_format == "json":
        for model, names in found.items():
            local = here.issuperset(names)
            emit(model=model.name, weights=names, cached=local, note=model.note)
        for row in catalog.ROWS if everything else ():
            facts = {"weights": row.name, "kind": row.kind, "license": row.license.id, "page": row.page}
            emit(**facts, cached=row.name in here, warning=row.warning)
        return
    table = _table("model", "weights", "cached", "note")
    for model, names in found.items():
        needs = "\n".join(names) or "none"
        complete = "yes" if here.issuperset(names) else "no"
        table.add_row(model.name, needs, complete, escape(model.note))
    Console().print(table)
    if everything:
        weights = _table("weights", "kind", "licence", "cached", "warning")
        for row in catalog.ROWS:
            weights.add_row(
                row.name, row.kind, row.license.id, "yes" if row.name in here else "no", escape(row.warning)
            )
        Console().print()
        Console().print(weights)


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
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Fetch and convert weights now, so that later runs need no network."""
    from radseg.cli.downloads import download_reporter
    from radseg.presets.choose import rows_of
    from radseg.presets.parts import resolve
    from radseg.weights.options import DownloadOptions

    rows = tuple(dict.fromkeys(row for name in names for row in rows_of(name)))
    how = DownloadOptions(accept_license, tuple(drop or ()), download_reporter(log_format, quiet=quiet))
    for row in rows:
        path = resolve(row.name, None, how)
        if log_format == "json":
            emit(event="pulled", name=row.name, path=str(path))
        elif not quiet:
            typer.echo(printable(f"{row.name} is at {path}"))


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


def _table(*columns: str) -> Table:
    """Return a table whose last column alone may wrap: names are there to be copied."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    return table


def _tell(log_format: str, name: str, path: str, verdict: str, *, ok: bool) -> None:
    if log_format == "json":
        emit(name=name, path=path, ok=ok, message=verdict)
    else:
        typer.echo(printable(": ".join(part for part in (name, path, verdict) if part)))
