"""`radseg bench`: what models cost on this machine, like the paper's efficiency table."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli.failures import printable
from radseg.cli.model_options import ModelChoice, takes_model

DEFAULT = "radseg-b-paper"


@takes_model("models", "method", "auxiliary", "device", "memory", default=DEFAULT)
def bench(
    choice: ModelChoice,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights", help="Build the model at its size without its weights: no download."
        ),
    ] = False,
    resolution: Annotated[
        str, typer.Option("--protocol", help="low, mid, high, …-released, …-patch.")
    ] = "mid",
    dataset: Annotated[
        list[str] | None, typer.Option("--on", metavar="DATASET", help="May be given several times.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timed calls per data set.")] = 5,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Calls before them.")] = 1,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of the CPU.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for bench.md, .csv and .json.")
    ] = None,
) -> None:
    """Measure seconds per image, parameters and peak memory at each data set's commonest image size.

    Each model runs in a process of its own. The paper's numbers are of another machine, a V100: compare
    ratios only.

    Example: radseg bench --random-weights -m radseg-b-paper --on voc20
    """
    from radseg.cli.downloads import download_reporter
    from radseg.evaluation.paper.published import DATASETS
    from radseg.evaluation.report.writing import write_text
    from radseg.evaluation.studies.efficiency import (
        BenchRequest,
        Measured,
        bench_table,
        fetch,
        measure_apart,
    )

    requests = [
        BenchRequest(
            model,
            tuple(dataset or DATASETS),
            resolution,
            tuple(choice.options),
            random_weights,
            warmup,
            repeats,
            threads,
        )
        for model in choice.specs((DEFAULT,))
    ]
    measured: list[Measured] = []
    for request in requests:
        fetch(request, download_reporter("text", quiet=False))
        typer.echo(f"Measuring {request.model.name} …", err=True)
        measured += measure_apart(request)
    table = bench_table(measured)
    one = measured[0]
    weights = "random weights: the times are real, the labels mean nothing" if random_weights else "weights"
    how = f"{one.device}, {one.threads} threads, {requests[0].model.dtype}, protocol {resolution}, {weights}"
    text = (
        f"# Cost per image\n\n{how}; median and quartiles of {repeats} calls "
        f"after {warmup} to warm up.\n\n{table.markdown()}"
    )
    typer.echo(printable(text))
    if output is not None:
        record = {"format": "radseg-bench/1", "rows": [asdict(m) for m in measured]}
        parts = {
            "bench.md": text,
            "bench.csv": table.csv(),
            "bench.json": json.dumps(record, indent=1) + "\n",
        }
        for name, content in parts.items():
            write_text(output / name, content)
            typer.echo(f"Written: {output / name}")
