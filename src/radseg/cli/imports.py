"""`radseg import`: another tool's data set as labelled images for `radseg eval`."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import ExitCode, printable
from radseg.files import counted

_LISTED = 20

Source = Annotated[
    Path, typer.Argument(help="The data set: a folder, or its file of annotations.", show_default=False)
]
From = Annotated[str, typer.Option("--from", help="coco, yolo, cvat or voc.", show_default=False)]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder to write.", show_default=False)]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the images, if not in the data set.", show_default=False),
]
Background = Annotated[
    str | None,
    typer.Option(
        "--background",
        help="A class for pixels that no annotation covers. Without it they are not judged.",
        show_default=False,
    ),
]


def import_labels(
    source: Source,
    form: From,
    output: Output,
    images: Images = None,
    background: Background = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier import there.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Read labelled images of another tool for `radseg eval folder`.

    Images are copied, labels become a PNG each, and the classes a list. Where masks overlap the
    smaller one counts (CVAT: the upper one).

    Example: radseg import instances_val.json --from coco --images val -o labelled
    """
    from radseg.runs.importing import ImportRequest, import_set

    report = import_set(ImportRequest(source, form, output, images, background, overwrite))
    for reason in list(report.failed.values())[:_LISTED]:
        typer.echo(printable(reason), err=True)
    if len(report.failed) > _LISTED:
        typer.echo(f"… and {len(report.failed) - _LISTED} more", err=True)
    if not quiet:
        typer.echo(
            printable(f"{counted(report.images, 'image')} with {len(report.names)} classes → {output}")
        )
        for what, count in report.left_out.items():
            typer.echo(
                printable(f"Left out {count} annotations of the kind {what}, which say nothing of pixels.")
            )
        typer.echo(printable(f"Next: radseg eval folder --data {output} -m radseg-b"))
    if report.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)
