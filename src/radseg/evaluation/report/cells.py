"""Which cells of the paper's Tables A.2, A.3 and A.8 a run of ours can get a verdict on, and why others none.

Not a list kept by hand: for every cell the run that docs/reproduce.md names is put together as `radseg eval`
would record it, whole and with the published weights, and given to the comparison that reports use.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from radseg.datasets.catalog import BENCHMARKS
from radseg.evaluation.images.result import EvalResult, Images, Score, Seconds
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.methods import RUNS, Run
from radseg.evaluation.paper.protocols import protocol, released_names
from radseg.evaluation.report.comparison import compare
from radseg.evaluation.report.tables import Table
from radseg.presets.spec import model_spec
from radseg.weights import catalog

Column = Literal["mIoU of a set", "mean mIoU", "seconds", "parameters"]
_SECONDS = "of a V100, means over all images; radseg bench shows ours beside them"
_PARAMETERS = "no score; radseg bench shows ours beside them"
_OTHER_VALUE = "printed as {here}, and as {there} in Table A.2, which reports show"
_MEAN = "not each of its five can"


@dataclass(frozen=True)
class PaperCell:
    """One printed number.

    Attributes:
        row: of a 2D table, or of Table A.3.
        column: what is printed.
        dataset: whose mIoU it is; None for what is no mIoU of a set.
        reasons: why no run can get a verdict on it; empty where one can.
    """

    table: str
    row: str
    column: Column
    dataset: str | None
    reasons: tuple[str, ...]


def paper_cells() -> tuple[PaperCell, ...]:
    """Return every cell of the three tables; where the two texts differ, those of the later one."""
    found = {(row, dataset): reasons for row, dataset, reasons in _compared()}
    return (*_of_scores(paper.TABLE_A2, found), *_of_costs(found), *_of_scores(paper.TABLE_A8, found))


def counts() -> Table:
    """Return how many cells of each table and column can get a verdict."""
    cells = paper_cells()
    rows = []
    for table, column in dict.fromkeys((cell.table, cell.column) for cell in cells):
        own = [cell for cell in cells if (cell.table, cell.column) == (table, column)]
        rows.append((table, column, len(own), sum(not cell.reasons for cell in own)))
    return Table(("table", "column", "cells", "can get a verdict"), tuple(rows))


def without_verdict() -> tuple[str, ...]:
    """Return one line for each reason: table, column, the reason, and the cells. Means are left out of whose
    five one has none.
    """
    groups: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for cell in paper_cells():
        if cell.reasons and cell.reasons != (_MEAN,):
            rows = groups.setdefault((cell.table, cell.column, "; ".join(cell.reasons)), {})
            rows.setdefault(cell.row, []).extend([] if cell.dataset is None else [cell.dataset])
    return tuple(
        f"{table}, {column}, {reason}: "
        + "; ".join(f"{row} ({', '.join(sets)})" if sets else row for row, sets in rows.items())
        for (table, column, reason), rows in groups.items()
    )


Reasons = dict[tuple[paper.Scores, str], tuple[str, ...]]


def _compared() -> Iterator[tuple[paper.Scores, str, tuple[str, ...]]]:
    """Yield row, data set and reasons of every run by the book."""
    for run in RUNS:
        for dataset in paper.DATASETS:
            for resolution in ("low", "mid", "high"):
                found = compare(whole_run(run, dataset, resolution))
                if found.row is not None:
                    yield found.row, dataset, found.reasons


def whole_run(run: Run, dataset: str, resolution: str) -> EvalResult:
    """Return what `radseg eval` records of a run on all images with the published weights; its score is 0."""
    rules, benchmark = protocol(dataset, resolution), BENCHMARKS[dataset]
    places = {} if run.checkpoint is None else {"checkpoint": run.checkpoint}
    model = model_spec(run.preset, defaults=rules.options, **run.options, **places)
    return EvalResult(
        dataset=dataset,
        split=benchmark.split,
        protocol=rules.as_dict(),
        preset=run.preset,
        options=asdict(model.options),
        model={
            "checkpoint": model.weights,
            "sha256": catalog.row(model.weights).sha256,
            "given": model.given(),
        },
        names=released_names(dataset, benchmark.names, model.preset.method),
        per_class=(),
        scores={"miou": Score(0.0)},
        images=Images(benchmark.images, benchmark.images),
        seconds=Seconds(0.0, 0.0, 0.0),
        environment={},
    )


def _of_scores(table: tuple[paper.Scores, ...], found: Reasons) -> Iterator[PaperCell]:
    for row in table:
        if row.edition == "earlier":
            continue
        name = f"{row.method}, {row.size}, {row.resolution}"
        own = [_reasons(row, dataset, found) for dataset in paper.DATASETS]
        for dataset, reasons in zip(paper.DATASETS, own, strict=True):
            yield PaperCell(row.table, name, "mIoU of a set", dataset, reasons)
        yield PaperCell(row.table, name, "mean mIoU", None, (_MEAN,) if any(own) else ())


def _reasons(row: paper.Scores, dataset: str, found: Reasons) -> tuple[str, ...]:
    """Return why a value can get no verdict; one that Table A.2 prints as well has that cell's."""
    if (row, dataset) in found:
        return found[row, dataset]
    other = paper.find(row.method, row.size, row.resolution)
    here, there = row.of(dataset), other.of(dataset)
    if here != there:
        return (_OTHER_VALUE.format(here=f"{here:.2f}", there=f"{there:.2f}"),)
    return found[other, dataset]


def _of_costs(found: Reasons) -> Iterator[PaperCell]:
    for row in paper.TABLE_A3:
        if row.edition == "earlier":
            continue
        name = f"{row.method}, {row.size}"
        for _ in (*paper.DATASETS, "mean"):
            yield PaperCell("A.3", name, "seconds", None, (_SECONDS,))
        yield PaperCell("A.3", name, "parameters", None, (_PARAMETERS,))
        other = paper.find(row.method, row.size, "mid")
        reasons: tuple[str, ...] = ()
        if row.miou != other.average:
            reasons = (_OTHER_VALUE.format(here=f"{row.miou:.2f}", there=f"{other.average:.2f}"),)
        elif any(_reasons(other, dataset, found) for dataset in paper.DATASETS):
            reasons = (_MEAN,)
        yield PaperCell("A.3", name, "mean mIoU", None, reasons)
