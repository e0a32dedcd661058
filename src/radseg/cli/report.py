"""`radseg report`: results of `radseg eval` beside the paper's values."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli.failures import printable
from radseg.errors import InputError

Results = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[RESULT]...", help="Result files, or output folders of radseg eval."),
]


def report(
    results: Results = None,
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
    cells: Annotated[
        bool,
        typer.Option(
            "--cells", help="Count the cells of the paper's Tables A.2, A.3 and A.8 that can get a verdict."
        ),
    ] = False,
) -> None:
    """Show results of radseg eval as Markdown tables beside the paper's values.

    A verdict is given only where weights, method, protocol, names and images are the paper's. --plot puts the
    models of --costs that have results among the paper's methods.

    Example: radseg report out/* --output report.md
    """
    from radseg.evaluation.images.result import EvalResult
    from radseg.evaluation.report.report import render, render_cells
    from radseg.evaluation.report.writing import write_text
    from radseg.evaluation.studies.tradeoff import own_points, read_costs, tradeoff_plot
    from radseg.files import make_folder, write_bytes

    if (costs is None) != (plot is None):
        raise InputError("A plot needs results and costs; give --costs and --plot together.")
    if not results and not cells:
        raise InputError("Name results of radseg eval, or give --cells.")
    read = [EvalResult.read(path) for path in results or ()]
    if costs is not None and plot is not None:
        make_folder(plot.parent)
        write_bytes(plot, tradeoff_plot(own_points(read, read_costs(costs))))
        typer.echo(f"Written: {plot}", err=True)
    parts = [render(read, classes=classes)] if read else []
    text = "\n".join([*parts, render_cells()] if cells else parts)
    if output is None:
        sys.stdout.write(printable(text))
        return
    write_text(output, text)
    typer.echo(f"Written: {output}")
