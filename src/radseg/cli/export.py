"""`radseg export`: the results of a run as a data set of another tool."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.files import counted

Run = Annotated[Path, typer.Argument(help="Output folder of `radseg segment`.", show_default=False)]
To = Annotated[
    str,
    typer.Option(
        "--to",
        help="coco, coco-panoptic, yolo, voc, cityscapes, cvat, cvat-masks, label-studio, fiftyone, or "
        "supervision.",
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder to write.", show_default=False)]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", help="Folder of the images that were segmented: copies them along.", show_default=False
    ),
]
MinArea = Annotated[
    int, typer.Option("--min-area", min=1, help="Leave out masks of fewer pixels.", show_default=True)
]
Review = Annotated[
    Path | None,
    typer.Option(
        "--review",
        help="List saved from the page of `radseg review`: only what was accepted is exported.",
        show_default=False,
    ),
]


def export(
    run: Run,
    to: To,
    output: Output,
    images: Images = None,
    min_area: MinArea = 1,
    review: Review = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export there.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the masks of a run for another tool.

    One mask per object where `radseg segment --objects` found some, else per connected part of
    each class. docs/formats.md says what each format holds and how it gets into its tool.

    Example: radseg export radseg-output --to coco --images photos -o for-cvat
    """
    from radseg.runs.exporting import SPECKLE, ExportRequest, export_run

    report = export_run(ExportRequest(run, to, output, images, min_area, overwrite, review))
    if quiet:
        return
    masks = sum(report.parts.values())
    what = f"{counted(report.images, 'image')}, {counted(masks, 'mask')} of {len(report.parts)} classes"
    typer.echo(printable(f"{what} → {output}"))
    if report.empty:
        typer.echo(f"Images without a mask: {report.empty}.")
    if report.failed:
        failed = counted(report.failed, "image")
        typer.echo(f"Left out {failed} that failed in the run; its manifest has the reasons.")
    if review is not None:
        typer.echo(f"Left out {report.rejected} rejected and {report.undecided} undecided images.")
    if report.small:
        typer.echo(
            f"{report.small} masks have fewer than {SPECKLE} pixels; --min-area {SPECKLE} leaves them out."
        )
