"""`radseg sheet replica|scannet|scannetpp|walks`: the same scene mapped by several models, to look at."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from radseg.cli.eval import DEFAULT

if TYPE_CHECKING:
    from radseg.cli.model_options import ModelChoice


def sheet_maps(
    dataset: str,
    choice: "ModelChoice",
    data: Path | None,
    protocol: str | None,
    output: Path,
    *,
    scenes: int,
    partial: bool,
    quiet: bool,
) -> None:
    """Write one PNG per scene.

    Raises:
        As an evaluation of the set.
    """
    from radseg.cli.downloads import download_reporter
    from radseg.evaluation.maps.run import model_options, parse_protocol
    from radseg.evaluation.maps.sets import open_scene, scenes_of
    from radseg.evaluation.maps.sheet import answer, scene_figure
    from radseg.evaluation.report.writing import write_image
    from radseg.presets.load import fetch_and_load
    from radseg.presets.spec import titles_of
    from radseg.runs.lifting import for_features
    from radseg.runs.mapping import sampled

    row, space = parse_protocol(dataset, protocol)
    chosen = sampled(scenes_of(row, data, partial=partial), scenes)
    specs = choice.specs((DEFAULT,), defaults=model_options(row))
    models = [for_features(spec) if space == "features" else spec for spec in specs]
    downloads = download_reporter("text", quiet=quiet)
    segmenters = {
        title: fetch_and_load(model, downloads)
        for title, model in zip(titles_of(models), models, strict=True)
    }
    for name in chosen:
        scene = open_scene(row, data, name)
        answers = [answer(title, one, scene, row, space) for title, one in segmenters.items()]
        write_image(output / f"{name}.png", scene_figure(scene, answers, row))
        if not quiet:
            typer.echo(f"Written: {output / f'{name}.png'}")
