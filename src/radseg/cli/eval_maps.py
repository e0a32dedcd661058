"""`radseg eval replica|scannet|scannetpp`: what was typed becomes an evaluation in 3D."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from radseg.cli.failures import ExitCode, printable
from radseg.errors import InputError

if TYPE_CHECKING:
    from radseg.cli.eval import Typed


def evaluate_maps(typed: "Typed") -> int:
    """Run the evaluation and return the exit code.

    Raises:
        InputError: an option that has no meaning in 3D, or no data.
    """
    from radseg.cli.downloads import fetching
    from radseg.evaluation.maps.run import MapEvalRequest, parse_protocol, result_lines, run_map_evaluation

    useless = {
        "--shard": typed.shard,
        "--merge": typed.merge or None,
        "--check": typed.check or None,
        "--classes": typed.classes,
        "--ignore": typed.ignore,
        "--first-label": typed.first_label,
    }
    given = [option for option, value in useless.items() if value is not None]
    if given:
        raise InputError(f"{', '.join(given)} has no effect on evaluations in 3D; leave it out.")
    if typed.data is None:
        raise InputError(f"Where is {typed.dataset}? Add --data FOLDER; how it must lie: docs/querying.md.")
    protocol, space = parse_protocol(typed.dataset, typed.protocol)
    label = f"{typed.dataset}-{space}-{protocol.rules}-{Path(typed.preset).name}"
    request = MapEvalRequest(
        protocol=protocol,
        space=space,
        data=typed.data,
        preset=typed.preset,
        output=typed.output or Path("radseg-eval") / label,
        existing=typed.existing,  # type: ignore[arg-type]
        settings=typed.settings,
        source=typed.source,
        machine={"device": typed.device, "dtype": typed.dtype, "accept_license": typed.accept_license},
        limit=typed.limit,
        partial=typed.partial,
    )
    silent = typed.quiet or typed.log_format == "json"
    result = run_map_evaluation(
        request,
        lambda line: None if silent else typer.echo(printable(line), err=True),
        fetching(typed.log_format, quiet=typed.quiet),
    )
    if typed.log_format == "json":
        typer.echo(json.dumps({"event": "result", **result, "folder": str(request.output)}))
    elif not typed.quiet:
        for line in result_lines(result):
            typer.echo(printable(line))
    failed = any("failed" in entry for entry in result["scenes"])
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE
