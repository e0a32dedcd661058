"""`radseg review`: a page to look through the results of a run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.files import counted

Run = Annotated[Path, typer.Argument(help="Output folder of `radseg segment`.", show_default=False)]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        help="Folder of the images that were segmented. Default: where --keep-paths of the run says.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="The page. Default: review.html in the run.", show_default=False),
]


def review(run: Run, images: Images = None, output: Output = None, quiet: options.Quiet = False) -> None:
    """Write a page to accept and reject the masks of a run; it opens from the disk, without a server.

    The page filters by class, share, confidence and presence, works by keyboard alone (? lists the
    keys), and saves a list of what was accepted and rejected. Thumbnails and masks are in the file;
    the large view loads the original from its folder.

    Example: radseg review radseg-output --images photos
    """
    from radseg.runs.review import write_review

    silent = quiet or not sys.stderr.isatty()
    with typer.progressbar(length=1, label="Images", file=sys.stderr, hidden=silent) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        report = write_review(run, output, images=images, progress=progress)
    if quiet:
        return
    typer.echo(printable(f"Written: {report.page}: {counted(report.images, 'image')}. Open it in a browser."))
    if report.failed:
        typer.echo(f"{counted(report.failed, 'image')} failed; the page says why.")
    if report.without_original:
        typer.echo(
            f"Masks alone for {counted(report.without_original, 'image')} whose file was not found: "
            "name their folder with --images."
        )
