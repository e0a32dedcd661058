"""`radseg map render` and `radseg map view`: look at a map, in rendered images or in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.model_options import ModelChoice, takes_model
from radseg.cli.query import ELSEWHERE, MapFolder, ModeOption, UpAxis

Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for the rendered images.")]
Azimuth = Annotated[
    float | None,
    typer.Option("--azimuth", help="Direction of the eye around the up axis, degrees. Default: sees most."),
]
Elevation = Annotated[
    float, typer.Option("--elevation", min=0, max=89, help="Of the eye over the horizon, degrees.")
]
Ceiling = Annotated[
    float | None,
    typer.Option(
        "--ceiling", help="Leave out what is this far above the floor, metres. Default: 2 in rooms."
    ),
]
Width = Annotated[int, typer.Option("--width", min=64, max=8192, help="Of a rendered image, pixels.")]
Height = Annotated[int, typer.Option("--height", min=64, max=8192, help="Of a rendered image, pixels.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the page on this machine.")]


@takes_model(*ELSEWHERE)
def render(
    path: MapFolder,
    choice: ModelChoice,
    output: Output = Path("map-images"),
    prompts: options.Prompts = None,
    mode: ModeOption = "background",
    up: UpAxis = None,
    azimuth: Azimuth = None,
    elevation: Elevation = 45.0,
    ceiling: Ceiling = None,
    width: Width = 960,
    height: Height = 720,
) -> None:
    """Draw a map from above and in perspective: in colour, and with -p in classes and as heat.

    Example: radseg map render kitchen-map -p "mug, chair, table"
    """
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.runs.map_query import MapQuery
    from radseg.runs.map_renders import MapScene, ViewOptions, save_renders

    vocabulary = options.vocabulary_of(prompts, None)
    opened = SemanticMap.open(path)
    scene = MapScene(opened, ViewOptions(up, azimuth, elevation, ceiling, width, height))
    written = save_renders(output, scene.render_colours())
    if vocabulary is not None:
        answer = MapQuery.open(path, choice.elsewhere()).ask(vocabulary, mode=mode)
        written += save_renders(output, scene.render_objects(answer.objects()))
        written += save_renders(output, scene.render_answer(answer))
    for file in written:
        typer.echo(file)


@takes_model(*ELSEWHERE)
def view(
    path: MapFolder,
    choice: ModelChoice,
    port: Port = 8090,
    up: UpAxis = None,
) -> None:
    """Open a map in the browser, on this machine only: colour, classes, heat maps of prompts, names by click.

    Example: radseg map view kitchen-map
    """
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.runs.map_query import MapQuery
    from radseg.viewer.page import MapPage

    opened = SemanticMap.open(path)
    ask = None if opened.space == "none" else MapQuery.open(path, choice.elsewhere()).ask
    page = MapPage(opened, ask, up=up, port=port)
    typer.echo(f"{page.address}   (Ctrl-C ends)")
    page.serve()
