"""`radseg report`: results of `radseg eval` beside the paper's values."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli.failures import printable

Results = Annotated[
    list[Path], typer.Argument(metavar="RESULT...", help="Result files, or output folders of radseg eval.")
]


def report(
    results: Results,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the Markdown here.")] = None,
    classes: Annotated[bool, typer.Option("--classes", help="List the IoU of every class too.")] = False,
) -> None:
    """Show results of radseg eval as Markdown tables beside the paper's values.

    A verdict is given only where weights, method, protocol, names and images are the paper's.

    Example: radseg report out/* --output report.md
    """
    from radseg.evaluation.images.result import EvalResult
    from radseg.evaluation.report.report import render
    from radseg.evaluation.report.writing import write_text

    text = render([EvalResult.read(path) for path in results], classes=classes)
    if output is None:
        sys.stdout.write(printable(text))
        return
    write_text(output, text)
    typer.echo(f"Written: {output}")
