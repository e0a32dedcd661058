"""`radseg eval replica|scannet|scannetpp`: what the command line selects, evaluated in 3D."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from radseg.cli.failures import ExitCode, emit, printable
from radseg.errors import InputError

if TYPE_CHECKING:
    from radseg.cli.eval import EvalChoice


def evaluate_maps(chosen: "EvalChoice") -> int:
    """Run the evaluation and return the exit code.

    Raises:
        InputError: an option that has no meaning in 3D, or no data.
    """
    from radseg.cli.downloads import download_reporter
    from radseg.cli.eval import DEFAULT
    from radseg.evaluation.maps.run import (
        MapEvalRequest,
        model_options,
        parse_protocol,
        result_lines,
        run_map_evaluation,
    )
    from radseg.runs.lifting import for_features

    selection = chosen.images
    useless = {
        "--shard": chosen.shard,
        "--merge": chosen.merge or None,
        "--check": chosen.check or None,
        "--classes": selection.classes,
        "--ignore": selection.ignore,
        "--first-label": selection.first_label,
    }
    given = [option for option, value in useless.items() if value is not None]
    if given:
        raise InputError(f"{', '.join(given)} has no effect on evaluations in 3D; leave it out.")
    protocol, space = parse_protocol(selection.dataset, chosen.protocol)
    model = chosen.choice.spec(default=DEFAULT, defaults=model_options(protocol))
    if space == "features":
        model = for_features(model)
    label = f"{selection.dataset}-{space}-{protocol.rules}-{model.name}"
    request = MapEvalRequest(
        protocol=protocol,
        space=space,
        data=selection.data,
        model=model,
        output=chosen.output or Path("radseg-eval") / label,
        existing=chosen.existing,
        limit=selection.limit,
        partial=selection.partial,
        keep_paths=chosen.keep_paths,
        objects=chosen.objects,
    )
    silent = chosen.quiet or chosen.log_format == "json"
    result = run_map_evaluation(
        request,
        lambda line: None if silent else typer.echo(printable(line), err=True),
        download_reporter(chosen.log_format, quiet=chosen.quiet),
    )
    if chosen.log_format == "json":
        emit(event="result", **result, folder=str(request.output))
    elif not chosen.quiet:
        for line in result_lines(result):
            typer.echo(printable(line))
    failed = any("failed" in entry for entry in result["scenes"])
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE
