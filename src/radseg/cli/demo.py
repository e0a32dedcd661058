"""`radseg demo`: something to look at before any weights are there."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")]


def demo(output: Output = Path("demo-output")) -> None:
    """Segment an image and map a room with text prompts, offline, and write every kind of output."""
    from radseg.cli.reporters import print_table
    from radseg.runs.demo import run_demo, run_map_demo
    from radseg.runs.shares import class_shares

    made = run_demo(output)
    typer.echo(f"{made.about}, mode {made.result.mode}:")
    print_table(class_shares(made.result))
    typer.echo("Written, the overlay first to look at:")
    for path in sorted(made.files, key=lambda path: path.parent.name != "overlays"):
        typer.echo(f"  {path}")
    typer.echo(f"Next: {made.next_command}\n")
    mapped = run_map_demo(output)
    typer.echo(f"{mapped.about}, asked for objects:")
    for line in mapped.lines:
        typer.echo(f"  {line}")
    typer.echo("Written:")
    for path in mapped.files:
        typer.echo(f"  {path}")
    typer.echo(f"Next: {mapped.next_command}")
