"""`radseg query`: give a map prompts, get objects with their place."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from radseg.cli import options
from radseg.cli.failures import emit
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.errors import InputError
from radseg.modes import Mode

_ROWS = 10  # of one name; the best come first

MapFolder = Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)]
Prompts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PROMPTS]...", help='Names, comma separated: "fire extinguisher, mug".', show_default=False
    ),
]
Image = Annotated[
    Path | None,
    typer.Option("--image", help="Image of the object, cut out closely, instead of prompts."),
]
ModeOption = Annotated[
    Mode,
    typer.Option(
        "--mode",
        help="background: a voxel may be none of the names. assign: every voxel gets a name. "
        "independent: each name is judged alone.",
    ),
]
Threshold = Annotated[
    float, typer.Option("--threshold", min=0, max=1, help="Probability from which independent names count.")
]
MinSize = Annotated[
    float | None,
    typer.Option(
        "--min-size",
        min=0,
        metavar="METRES",
        help="Leave out objects of which no side is as long. Default: two voxels, at least 0.05.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder for query.json, scores.npz and rendered images.", show_default=False
    ),
]
UpAxis = Annotated[
    Literal["+x", "-x", "+y", "-y", "+z", "-z"] | None,
    typer.Option("--up", help="World axis that points up. Default: where the tops of the images pointed."),
]
Json = Annotated[bool, typer.Option("--json", help="The same as --log-format json.")]
ELSEWHERE = ("weights", "auxiliary", "device")
"""Groups of options that say where the parts of a map's own model lie here."""


@takes_model(*ELSEWHERE)
def query(
    path: MapFolder,
    choice: ModelChoice,
    prompts: Prompts = None,
    image: Image = None,
    mode: ModeOption = "background",
    threshold: Threshold = 0.5,
    min_size: MinSize = None,
    output: Output = None,
    up: UpAxis = None,
    log_format: options.LogFormat = "text",
    as_json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the objects that prompts name in a map: where they are, how large, how sure.

    What is not there is not found; its best score is shown.

    Example: radseg query kitchen-map "fire extinguisher" mug
    """
    from radseg.cli.downloads import download_reporter
    from radseg.runs.map_query import MapQuestion, find_in_map

    if bool(prompts) == (image is not None):
        raise InputError('Say what to look for: prompts ("red ball"), or an image with --image.')
    log_format = "json" if as_json else log_format
    question = MapQuestion(
        path,
        options.vocabulary_of(prompts, None) or (),
        image,
        mode,
        threshold=threshold,
        min_size=min_size,
        places=choice.elsewhere(),
    )
    progress = None if quiet or log_format == "json" else _Aligning()
    finding = find_in_map(question, progress, download_reporter(log_format, quiet=quiet))
    written = []
    if output is not None:
        from radseg.mapping.semantic_map import SemanticMap
        from radseg.runs.map_renders import ViewOptions, save_finding

        written = save_finding(output, finding, SemanticMap.open(path), ViewOptions(up=up))
    if finding.answer.mode != mode and not quiet:
        typer.echo(
            "Note: this map holds probabilities of fixed names, so every voxel has one of them; "
            "--mode independent takes only what reaches --threshold.",
            err=True,
        )
    if log_format == "json":
        emit(**finding.as_json(), files=[str(file) for file in written])
        return
    print_finding(finding.as_json())
    for file in written:
        typer.echo(f"  {file}")


def print_finding(finding: dict[str, Any]) -> None:
    """Print the best objects of every name as a table; what was not found, with its best score."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, side in (
        ("name", "left"),
        ("score", "right"),
        ("at x y z (m)", "right"),
        ("size (m)", "right"),
    ):
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    table.add_column("voxels", justify="right")
    table.add_column("seen in", justify="right")
    table.add_column("id")
    for name, found in finding["names"].items():
        for one in found["objects"][:_ROWS]:
            place, size = _triple(one["centroid"]), _triple(one["oriented_box"]["size"])
            table.add_row(
                escape(name),
                f"{one['score']:.2f}",
                place,
                size,
                f"{one['voxels']:,}",
                _frames(one),
                one["id"],
            )
        if (more := found["objects"][_ROWS:]) != []:
            table.add_row(escape(name), "", f"{len(more)} more: --json", "", f"{_voxels(more):,}")
        if not found["found"]:
            best = found["best"]
            table.add_row(
                escape(name), "not found", f"best {best['probability']:.2f} at {_triple(best['at'])}"
            )
    # A pipe has no width: wrapped lines would be nonsense to other programs.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _frames(one: dict[str, Any]) -> str:
    count = len(one["frames"])
    return f"{count} frame{'' if count == 1 else 's'}" if count else ""


def _voxels(objects: list[dict[str, Any]]) -> int:
    return sum(int(one["voxels"]) for one in objects)


def _triple(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


class _Aligning:
    """Says on standard error that features are being aligned, once there is something to wait for."""

    def __init__(self) -> None:
        self._next = 0.25

    def __call__(self, done: int, total: int) -> None:
        if total > 50_000 and done >= self._next * total:
            typer.echo(f"{done:,} of {total:,} voxels", err=True)
            self._next += 0.25
