"""Run an ablation: one evaluation per row, then all rows beside the first, image by image.

Every row is an evaluation of its own in a folder of its own, so a sweep resumes where it was broken off.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.log import known_counts, read_logs
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.result import EvalResult, Score
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.report.comparison import weights_of
from radseg.evaluation.report.tables import Cell, Table, markdown_list
from radseg.evaluation.report.writing import write_text
from radseg.evaluation.studies.ablations import BASE, Sweep, Variant
from radseg.files import counted
from radseg.jobs.progress import RunReporter
from radseg.metrics.bootstrap import bootstrap_intervals
from radseg.metrics.confusion import Counts, mean_iou
from radseg.presets.load import check
from radseg.weights.reporters import Reporter

FORMAT = "radseg-sweep/1"


@dataclass(frozen=True, eq=False)
class Row:
    """One row that was evaluated.

    Attributes:
        difference: mIoU less that of the first row, 0 to 1, over the images that both could do, with the
            interval of the paired bootstrap; None for the first row.
    """

    variant: Variant
    result: EvalResult
    difference: Score | None


def run_sweep(
    sweep: Sweep,
    base: EvalRequest,
    *,
    reporter: Callable[[Variant], RunReporter[Any]],
    downloads: Reporter,
) -> tuple[Row, ...]:
    """Evaluate every row in its own folder below `base.output` and return them.

    Raises:
        InputError: a row asks for what the model cannot do; nothing is evaluated then.
        Otherwise as `run_evaluation`, at the first row that cannot be run.
    """
    rows: list[Row] = []
    first: Mapping[str, ImageCounts] = {}
    requests = [request_of(base, variant) for variant in sweep.variants]
    for request in requests:
        check(request.model)
    for variant, request in zip(sweep.variants, requests, strict=True):
        result = run_evaluation(request, reporter(variant), downloads).result
        if result is None:
            raise InputError(f"{request.output} is not complete: another process still evaluates it.")
        counts = known_counts(read_logs(request.output), request.ids)
        difference = paired(first, counts, len(result.names)) if rows else None
        first = first or counts
        rows.append(Row(variant, result, difference))
    return tuple(rows)


def request_of(base: EvalRequest, variant: Variant) -> EvalRequest:
    """Return the evaluation of one row: the base's model with what the row changes.

    Raises:
        InputError: the model has no such option, or other weights are given where the row names its own.
    """
    model = base.model.changed(**variant.options)
    if variant.checkpoint is not None:
        if model.checkpoint is not None:
            raise InputError("The ablation sets checkpoint itself; leave that out.")
        model = model.at(checkpoint=variant.checkpoint)
    return replace(base, output=base.output / variant.folder, model=model)


def paired(first: Mapping[str, ImageCounts], other: Mapping[str, ImageCounts], classes: int) -> Score:
    """Return the mIoU of `other` less that of `first` over the images both evaluated, 0 to 1.

    The interval is that of resampled images, the same ones for both: it is narrower than the two intervals
    suggest, because easy images are easy for both.

    Raises:
        InputError: no image was evaluated by both.
    """
    common = [id for id, one in first.items() if not one.message and id in other and not other[id].message]
    if not common:
        raise InputError("No image was evaluated by both rows, so they cannot be compared.")
    counts = np.stack(
        [np.concatenate([_counts(side[id], classes) for side in (first, other)]) for id in common]
    )
    value = float(_gain(counts.sum(0)[None])["gain"][0])
    if len(common) < 2:
        return Score(value)
    return Score(value, *bootstrap_intervals(counts, _gain)["gain"])


def _counts(counts: ImageCounts, classes: int) -> Int64[np.ndarray, " k"]:
    one = Counts.of(counts.confusion(classes))
    return np.concatenate([one.both, one.truth, one.predicted])


def _gain(
    sums: Float64[np.ndarray, "b k"] | Int64[np.ndarray, "b k"],
) -> dict[str, Float64[np.ndarray, " b"]]:
    parts = np.split(sums, 6, axis=1)
    return {"gain": mean_iou(Counts(*parts[3:])) - mean_iou(Counts(*parts[:3]))}


def sweep_table(rows: Sequence[Row]) -> Table:
    """Return one line per row, mIoU in percent."""
    lines: list[tuple[Cell, ...]] = []
    for row in rows:
        miou, gain = row.result.scores["miou"], row.difference
        lines.append(
            (
                row.variant.name,
                100 * miou.value,
                _percent(miou.low),
                _percent(miou.high),
                None if gain is None else 100 * gain.value,
                None if gain is None else _percent(gain.low),
                None if gain is None else _percent(gain.high),
                100 * row.result.scores["boundary_iou"].value,
                row.result.seconds.per_image,
                printed(row),
            )
        )
    head = (
        "row",
        "mIoU %",
        "low",
        "high",
        "gain",
        "gain low",
        "gain high",
        "boundary IoU %",
        "s/image",
        "paper",
    )
    return Table(head, tuple(lines))


def printed(row: Row) -> float | None:
    """Return the paper's mean mIoU for a row, percent: with the weights that the paper's has, else None."""
    own = row.variant.checkpoint is not None
    return row.variant.paper if own or weights_of(row.result) == BASE else None


def write_sweep(folder: Path, sweep: Sweep, rows: Sequence[Row], table: Table) -> tuple[Path, ...]:
    """Write the table as Markdown, CSV and JSON into the folder and return the paths.

    Raises:
        ResourceError: the folder cannot be written.
    """
    parts = {
        f"{sweep.name}.md": markdown(sweep, rows, table),
        f"{sweep.name}.csv": table.csv(),
        f"{sweep.name}.json": json.dumps(record(sweep, rows, table), indent=1) + "\n",
    }
    for name, text in parts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in parts)


def markdown(sweep: Sweep, rows: Sequence[Row], table: Table) -> str:
    """Return the page of a sweep."""
    one = rows[0].result
    images = {row.variant.name: f"{row.result.images.done} of {row.result.images.total}" for row in rows}
    same = len(set(images.values())) == 1
    done = next(iter(images.values())) if same else ", ".join(f"{k}: {v}" for k, v in images.items())
    protocol = one.protocol.get("name")
    text = (
        f"# {sweep.name}: {sweep.shows}\n\n"
        f"{one.dataset} ({one.split}), {counted(done, 'image')}, preset {one.preset}, protocol {protocol}, "
        f"{one.environment.get('device')}, {one.environment.get('dtype')}.\n\n"
        f"{table.markdown()}\n"
        "Low and high are 95 % bootstrap intervals over images; the gain is over the first row, its interval "
        "paired. On few images with many classes an interval may lie below its value: a resample holds fewer "
        "of the rare classes."
    )
    if any(printed(row) is not None for row in rows):
        text += (
            f" The last column is the paper's ({sweep.origin}): the mean of its five data sets at mid "
            "resolution with the published weights, to be compared in its differences at most."
        )
    text += "\n"
    failed = [f"{row.variant.name}, {k}: {v}" for row in rows for k, v in row.result.images.failed.items()]
    return text + (f"\nImages that could not be evaluated:\n\n{markdown_list(failed)}" if failed else "")


def record(sweep: Sweep, rows: Sequence[Row], table: Table) -> dict[str, Any]:
    """Return the sweep as JSON values."""
    one = rows[0].result
    return {
        "format": FORMAT,
        "sweep": sweep.name,
        "origin": sweep.origin,
        "axis": sweep.axis,
        "dataset": one.dataset,
        "split": one.split,
        "preset": one.preset,
        "protocol": dict(one.protocol),
        "images": one.images.done,
        "environment": dict(one.environment),
        "rows": [
            {**cells, "position": row.variant.position, "options": dict(row.variant.options)}
            for cells, row in zip(table.records(), rows, strict=True)
        ],
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
