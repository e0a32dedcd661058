"""`radseg bench`: what models cost on this machine, like the paper's efficiency table."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from radseg.cli import options
from radseg.cli.failures import printable
from radseg.cli.segment import Dtype


def bench(
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--preset", "--model", help="May be given several times. Default: radseg-b-paper."
        ),
    ] = None,
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
    device: options.Device = "cpu",
    dtype: Dtype = "float32",
    accept_license: options.AcceptLicense = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for bench.md, .csv and .json.")
    ] = None,
) -> None:
    """Measure seconds per image, parameters and peak memory at each data set's commonest image size.

    Each model runs in a process of its own. The paper's numbers are of another machine, a V100: compare
    ratios only.

    Example: radseg bench --random-weights -m radseg-b-paper --on voc20
    """
    from radseg.cli.downloads import fetching
    from radseg.evaluation.paper.published import DATASETS
    from radseg.evaluation.report.writing import write_text
    from radseg.evaluation.studies.efficiency import (
        BenchRequest,
        Measured,
        bench_table,
        measure_apart,
        needed_weights,
    )
    from radseg.runs.models import obtain

    requests = [
        BenchRequest(
            name,
            tuple(dataset or DATASETS),
            resolution,
            random_weights,
            device,
            dtype,
            accept_license,
            warmup,
            repeats,
            threads,
        )
        for name in dict.fromkeys(preset or ["radseg-b-paper"])
    ]
    measured: list[Measured] = []
    for request in requests:
        obtain(needed_weights(request), fetching("text", quiet=False), accept_license=accept_license)
        typer.echo(f"Measuring {request.preset} …", err=True)
        measured += measure_apart(request)
    table = bench_table(measured)
    one = measured[0]
    weights = "random weights: the times are real, the labels mean nothing" if random_weights else "weights"
    how = f"{one.device}, {one.threads} threads, {dtype}, protocol {resolution}, {weights}"
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
