"""`radseg report`: results of `radseg eval` beside the paper's values."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli.failures import printable
from radseg.errors import InputError

Results = Annotated[
    list[Path], typer.Argument(metavar="RESULT...", help="Result files, or output folders of radseg eval.")
]


def report(
    results: Results,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the Markdown here.")] = None,
    costs: Annotated[
        Path | None,
        typer.Option("--costs", help="bench.json of radseg bench, for --plot.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Write mIoU against parameters and seconds here, as the paper's Figure 1 (PNG).",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[bool, typer.Option("--classes", help="List the IoU of every class too.")] = False,
) -> None:
    """Show results of radseg eval as Markdown tables beside the paper's values.

    A verdict is given only where weights, method, protocol, names and images are the paper's. --plot puts the
    models of --costs that have results among the paper's methods.

    Example: radseg report out/* --output report.md
    """
    from radseg.evaluation.images.result import EvalResult
    from radseg.evaluation.report.report import render
    from radseg.evaluation.report.writing import write_text
    from radseg.evaluation.studies.tradeoff import own_points, read_costs, tradeoff_plot
    from radseg.files import make_folder, write_bytes

    if (costs is None) != (plot is None):
        raise InputError("A plot needs results and costs; give --costs and --plot together.")
    read = [EvalResult.read(path) for path in results]
    if costs is not None and plot is not None:
        make_folder(plot.parent)
        write_bytes(plot, tradeoff_plot(own_points(read, read_costs(costs))))
        typer.echo(f"Written: {plot}", err=True)
    text = render(read, classes=classes)
    if output is None:
        sys.stdout.write(printable(text))
        return
    write_text(output, text)
    typer.echo(f"Written: {output}")
