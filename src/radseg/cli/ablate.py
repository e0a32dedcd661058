"""`radseg ablate`: the paper's ablations, each a table and a plot."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radseg.cli import options
from radseg.cli.eval import Classes, Data, FirstLabel, Ignore, Limit, Partial, ProtocolOption
from radseg.cli.failures import ExitCode, printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.cli.segment import Overwrite, Resume, existing, resume_command, terminated_like_interrupted
from radseg.files import counted

if TYPE_CHECKING:
    from radseg.evaluation.images.request import EvalRequest

DEFAULT = "radseg-b-paper"


@takes_model("model", "method", "templates", "weights", "auxiliary", "device", "memory", default=DEFAULT)
def ablate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="components, refinement, scra-temperature, scga-temperature, recursion, windows, versions, "
            "adaptors; or an option with its values: stride=112,224.",
            show_default=False,
        ),
    ],
    choice: ModelChoice,
    dataset: Annotated[
        str, typer.Option("--on", metavar="DATASET", help="As radseg eval takes it.")
    ] = "miniature",
    data: Data = None,
    protocol: ProtocolOption = None,
    partial: Partial = False,
    limit: Limit = None,
    classes: Classes = None,
    ignore: Ignore = None,
    first_label: FirstLabel = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder. Default: radseg-ablate/NAME-DATASET-PRESET.", show_default=False
        ),
    ] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Also draw it (needs matplotlib).")] = True,
    log_format: options.LogFormat = "text",
    quiet: options.Quiet = False,
) -> None:
    """Evaluate a model with parts changed, every row beside the first, image by image.

    Each row is an evaluation in its own folder; a broken-off sweep goes on with --resume.

    Example: radseg ablate components -m miniature --limit 24
    """
    from radseg.evaluation.images.request import EvalRequest
    from radseg.evaluation.images.sets import Selection, default_protocol, open_set, vocabulary_of
    from radseg.evaluation.paper.protocols import protocol as row_of
    from radseg.evaluation.studies.ablations import sweep
    from radseg.evaluation.studies.plots import require_plots

    row = row_of(dataset, protocol or default_protocol(dataset))
    model = choice.spec(default=DEFAULT, defaults=row.options)
    chosen = sweep(name, embedded=not model.preset.published, given=choice.options)
    if plot:
        require_plots()
    images = Selection(dataset, data, partial, limit, classes, ignore, first_label)
    folder = output or Path("radseg-ablate") / f"{chosen.name}-{dataset}-{model.name}"
    request = EvalRequest(
        images=open_set(images),
        protocol=row,
        model=model,
        output=folder,
        existing=existing(resume=resume, overwrite=overwrite),
        limit=limit,
        vocabulary=vocabulary_of(images),
        data=data,
    )
    if _run(chosen, request, log_format=log_format, quiet=quiet, plot=plot):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _run(
    chosen: Any, request: "EvalRequest", *, log_format: options.LogFormat, quiet: bool, plot: bool
) -> bool:
    """Run, write and show the sweep; return whether images failed."""
    from radseg.cli.downloads import download_reporter
    from radseg.cli.reporters import reporter
    from radseg.evaluation.studies.plots import save_sweep_plot
    from radseg.evaluation.studies.sweeps import run_sweep, sweep_table, write_sweep

    command = resume_command(sys.argv[1:], request.output)

    def reporter_of(variant: Any) -> Any:
        if log_format == "text" and not quiet:
            typer.echo(f"{chosen.name}: {variant.name}", err=True)
        return reporter(log_format, quiet=quiet, resume=command)

    with terminated_like_interrupted():
        rows = run_sweep(
            chosen, request, reporter=reporter_of, downloads=download_reporter(log_format, quiet=quiet)
        )
    table = sweep_table(rows)
    written = list(write_sweep(request.output, chosen, rows, table))
    if plot:
        one = rows[0].result
        title = f"on {one.dataset}: {counted(one.images.done, 'image')}, preset {one.preset}, 95 % intervals"
        path = request.output / f"{chosen.name}.png"
        save_sweep_plot(path, chosen, table, subtitle=title)
        written.append(path)
    if log_format == "text" and not quiet:
        typer.echo(printable(written[0].read_text("utf-8")))
        typer.echo("Written:\n" + "\n".join(f"  {path}" for path in written))
    return any(row.result.images.failed for row in rows)
