"""`radseg doctor`: what stands in the way on this machine."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from radseg.cli.failures import ExitCode, emit
from radseg.cli.model_options import complete_model

_MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "problem": "[red]problem[/]"}


def doctor(
    model: Annotated[
        str,
        typer.Option(
            "-m",
            "--model",
            "--preset",
            autocompletion=complete_model,
            help="The model that there must be room for, by name or by the path of a checkpoint.",
        ),
    ] = "radseg-b",
    log_format: Annotated[
        Literal["text", "json"], typer.Option("--log-format", help="A table, or one JSON object per finding.")
    ] = "text",
) -> None:
    """Look at this machine: packages, GPU, processor, images, cache, disk; say how to fix each problem.

    Segments a known image with the embedded miniature, to see that images reach a model as they should.
    Contacts nothing. Ends with 3 when there is a problem, else 0.
    """
    from radseg.runs.health import findings
    from radseg.weights.home import home

    found = findings(home(), model)
    if log_format == "json":
        for finding in found:
            emit(**asdict(finding))
    else:
        table = Table("", "", "", box=None, show_header=False, pad_edge=False)
        for finding in found:
            table.add_row(_MARKS[finding.verdict], escape(finding.subject), escape(finding.value))
        Console().print(table)
        for finding in found:
            if finding.remedy:
                verb = "Fix" if finding.verdict == "problem" else "Change"
                typer.echo(f"{verb} {finding.subject}: {finding.remedy}")
    if any(finding.verdict == "problem" for finding in found):
        raise typer.Exit(ExitCode.ENVIRONMENT)
