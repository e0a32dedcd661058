"""`radseg sheet`: input, truth and predictions side by side, to look at."""

from dataclasses import replace
from functools import partial as fixed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radseg.cli import options
from radseg.cli.ablate import Selection
from radseg.cli.eval import Classes, Data, Dataset, FirstLabel, Ignore, Partial, ProtocolOption
from radseg.cli.failures import ExitCode, printable
from radseg.cli.segment import Dtype
from radseg.errors import InputError

if TYPE_CHECKING:
    from radseg.evaluation.images.request import EvalRequest


def sheet(
    dataset: Dataset,
    data: Data = None,
    preset: Annotated[
        list[str] | None,
        typer.Option("-m", "--preset", "--model", help="A column each. Default: radseg-b-paper."),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Columns are the rows of this ablation of one preset.")
    ] = None,
    protocol: ProtocolOption = None,
    partial: Partial = False,
    classes: Classes = None,
    ignore: Ignore = None,
    first_label: FirstLabel = None,
    images: Annotated[int, typer.Option("--images", min=1, help="How many, evenly over the set.")] = 6,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for sheet.png and sheet.html.")
    ] = Path("radseg-sheet"),
    device: options.Device = "cpu",
    dtype: Dtype = "float32",
    accept_license: options.AcceptLicense = False,
    quiet: options.Quiet = False,
) -> None:
    """Show input, truth, labels and features of several models, with the mIoU of each image.

    Writes one PNG and one HTML page that needs nothing else.

    Example: radseg sheet miniature -m miniature --sweep components --images 4
    """
    from radseg.cli.downloads import fetching
    from radseg.evaluation.images.model import load_model, prepare
    from radseg.evaluation.images.request import EvalRequest
    from radseg.evaluation.images.resizing import load_opencv
    from radseg.evaluation.images.sets import default_protocol, open_set, vocabulary_of
    from radseg.evaluation.paper.protocols import protocol as row_of
    from radseg.evaluation.report.writing import write_image, write_text
    from radseg.evaluation.studies.sheet import draw_figure, model_of, strips
    from radseg.evaluation.studies.sheet_page import sheet_page

    chosen = Selection(dataset, data, partial, None, classes, ignore, first_label)
    shown_set = open_set(chosen)
    base = EvalRequest(
        images=shown_set,
        protocol=row_of(dataset, protocol or default_protocol(dataset)),
        preset="",
        output=output,
        device=device,
        dtype=dtype,
        accept_license=accept_license,
        vocabulary=vocabulary_of(chosen),
    )
    if base.protocol.short_side is not None:
        load_opencv()
    downloads = fetching("text", quiet=quiet)
    columns = _columns(base, list(dict.fromkeys(preset or ["radseg-b-paper"])), sweep)
    models = {name: model_of(*load_model(request, downloads)) for name, request in columns.items()}
    failed: dict[str, str] = {}
    names = next(iter(columns.values())).prompts.names
    ids = spread(shown_set.ids, images)
    shown = list(strips(ids, fixed(prepare, shown_set, base.protocol), models, names, failed))
    if not shown:
        first = next(iter(failed.values()))
        raise InputError(f"None of {len(ids)} images could be shown; the first: {first}")
    title = f"{shown_set.name}, {shown_set.split}, protocol {base.protocol.name}"
    notes = [f"{id} could not be shown: {reason}" for id, reason in failed.items()]
    write_text(output / "sheet.html", sheet_page(shown, title=title, notes=notes))
    write_image(output / "sheet.png", draw_figure(shown, title=title))
    for note in notes:
        typer.echo(printable(note), err=True)
    if not quiet:
        typer.echo(f"Written:\n  {output / 'sheet.png'}\n  {output / 'sheet.html'}")
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def spread(ids: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return `count` ids at even steps, the first among them; all where there are fewer."""
    return tuple(ids[i * len(ids) // count] for i in range(count)) if count < len(ids) else ids


def _columns(base: "EvalRequest", presets: list[str], sweep: str | None) -> "dict[str, EvalRequest]":
    """Return what to load for each column, by its caption."""
    from radseg.evaluation.studies.ablations import sweep as sweep_of
    from radseg.evaluation.studies.sweeps import request_of
    from radseg.presets import PRESETS

    if sweep is None:
        return {name: replace(base, preset=name) for name in presets}
    if len(presets) != 1:
        raise InputError("--sweep shows one preset in several forms; name one with --preset.")
    one = presets[0]
    embedded = one in PRESETS and PRESETS[one].embedded is not None
    chosen = sweep_of(sweep, embedded=embedded)
    return {v.name: request_of(replace(base, preset=one), v) for v in chosen.variants}
