"""`radseg map export`: a map as a file of other programs, with names and objects where they are asked for."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.cli.query import ELSEWHERE, MapFolder, MinSize, ModeOption
from radseg.errors import InputError
from radseg.files import counted

Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.", show_default=False)]


@takes_model(*ELSEWHERE)
def export(
    path: MapFolder,
    choice: ModelChoice,
    output: Output,
    prompts: options.Prompts = None,
    mode: ModeOption = "background",
    min_size: MinSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file there.")] = False,
) -> None:
    """Write a map for other programs; the output ends in .ply, .pcd, .npz (with values), .glb or .rrd.

    With -p the names of the voxels, their probabilities, and the objects with their boxes are written too.

    Example: radseg map export kitchen-map -p "mug, chair" -o kitchen.ply
    """
    from radseg.mapping.export import export as export_map
    from radseg.mapping.identity import identified
    from radseg.mapping.named import NamedVoxels
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.runs.map_query import MapQuery

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; replace it with --overwrite, or name another file with -o.")
    opened, named = SemanticMap.open(path), None
    vocabulary = options.vocabulary_of(prompts, None)
    if vocabulary is not None:
        answer = MapQuery.open(path, choice.elsewhere()).ask(vocabulary, mode=mode)
        found = answer.objects(min_size=min_size)
        objects = identified(found, answer.keys, opened.load_sightings(), answer.tracks)
        named = NamedVoxels.of(answer, objects)
    export_map(opened, output, named)
    count = 0 if named is None else len(named.objects)
    about = "" if named is None else f", {counted(count, 'object')}"
    typer.echo(printable(f"{counted(len(opened), 'voxel')}{about} → {output}"))
