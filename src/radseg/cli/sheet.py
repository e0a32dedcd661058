"""`radseg sheet`: input, truth and predictions side by side, to look at."""

from functools import partial as fixed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseg.cli import options
from radseg.cli.ablate import DEFAULT
from radseg.cli.eval import HANDLERS, Classes, Data, Dataset, FirstLabel, Ignore, Partial, ProtocolOption
from radseg.cli.failures import ExitCode, printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.errors import InputError
from radseg.files import counted, without_folders

if TYPE_CHECKING:
    from radseg.evaluation.images.request import EvalRequest


@takes_model("models", "method", "auxiliary", "device", "memory", default=DEFAULT)
def sheet(
    dataset: Dataset,
    choice: ModelChoice,
    data: Data = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Columns are the rows of this ablation of one preset.")
    ] = None,
    protocol: ProtocolOption = None,
    partial: Partial = False,
    classes: Classes = None,
    ignore: Ignore = None,
    first_label: FirstLabel = None,
    images: Annotated[
        int, typer.Option("--images", min=1, help="How many, evenly over the set; 3D: scenes.")
    ] = 6,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for sheet.png and sheet.html.")
    ] = Path("radseg-sheet"),
    quiet: options.Quiet = False,
) -> None:
    """Show input, truth, labels and features of several models, with the mIoU of each image.

    Writes one PNG and one HTML page that needs nothing else. Of a set in 3D: each scene mapped by every
    model and rendered from one camera, beside its colours and the truth.

    Example: radseg sheet miniature -m miniature --sweep components --images 4
    """
    if dataset in HANDLERS:
        from radseg.cli.sheet_maps import sheet_maps

        if given := [name for name, value in {"--sweep": sweep, "--classes": classes}.items() if value]:
            raise InputError(f"{', '.join(given)} has no effect on scenes in 3D; leave it out.")
        sheet_maps(dataset, choice, data, protocol, output, scenes=images, partial=partial, quiet=quiet)
        return
    from radseg.cli.downloads import download_reporter
    from radseg.evaluation.images.model import load_model, prepare
    from radseg.evaluation.images.request import EvalRequest
    from radseg.evaluation.images.resizing import load_opencv
    from radseg.evaluation.images.sets import Selection, default_protocol, open_set, vocabulary_of
    from radseg.evaluation.paper.protocols import protocol as row_of
    from radseg.evaluation.report.writing import write_image, write_text
    from radseg.evaluation.studies.sheet import draw_figure, model_of, strips
    from radseg.evaluation.studies.sheet_page import sheet_page
    from radseg.runs.mapping import sampled

    chosen = Selection(dataset, data, partial, None, classes, ignore, first_label)
    shown_set = open_set(chosen)
    row = row_of(dataset, protocol or default_protocol(dataset))
    if row.short_side is not None:
        load_opencv()
    bases = [
        EvalRequest(shown_set, row, model, output, vocabulary=vocabulary_of(chosen))
        for model in choice.specs((DEFAULT,), defaults=row.options)
    ]
    downloads = download_reporter("text", quiet=quiet)
    columns = _columns(bases, sweep, choice)
    models = {name: model_of(*load_model(request, downloads)) for name, request in columns.items()}
    failed: dict[str, str] = {}
    names = next(iter(columns.values())).prompts.names
    ids = sampled(shown_set.ids, images)
    shown = list(strips(ids, fixed(prepare, shown_set, row), models, names, failed))
    if not shown:
        first = next(iter(failed.values()))
        raise InputError(f"None of {counted(len(ids), 'image')} could be shown; the first: {first}")
    title = f"{shown_set.name}, {shown_set.split}, protocol {row.name}"
    folders = (output,) if data is None else (data, output)
    notes = [f"{id} could not be shown: {without_folders(why, *folders)}" for id, why in failed.items()]
    write_text(output / "sheet.html", sheet_page(shown, title=title, notes=notes))
    write_image(output / "sheet.png", draw_figure(shown, title=title))
    for note in notes:
        typer.echo(printable(note), err=True)
    if not quiet:
        typer.echo(f"Written:\n  {output / 'sheet.png'}\n  {output / 'sheet.html'}")
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _columns(bases: "list[EvalRequest]", sweep: str | None, choice: ModelChoice) -> "dict[str, EvalRequest]":
    """Return what to load for each column, by its caption."""
    from radseg.evaluation.studies.ablations import sweep as sweep_of
    from radseg.evaluation.studies.sweeps import request_of
    from radseg.presets.spec import titles_of

    if sweep is None:
        return dict(zip(titles_of([one.model for one in bases]), bases, strict=True))
    if len(bases) != 1:
        raise InputError("--sweep shows one model in several forms; name one with -m.")
    (base,) = bases
    chosen = sweep_of(sweep, embedded=not base.model.preset.published, given=choice.options)
    return {v.name: request_of(base, v) for v in chosen.variants}
