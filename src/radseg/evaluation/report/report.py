"""Markdown of evaluation results beside the paper's values: difference and verdict per cell."""

from collections.abc import Sequence

from radseg.evaluation.images.result import EvalResult, Score
from radseg.evaluation.paper import published as paper
from radseg.evaluation.report.cells import counts, without_verdict
from radseg.evaluation.report.comparison import Comparison, compare, weights_of
from radseg.evaluation.report.tables import Cell, Table, markdown_list

SCORES = ("miou", "fmiou", "pixel_accuracy", "mean_accuracy", "boundary_iou")
_EXPLANATION = (
    "Percent of mIoU with 95 % bootstrap intervals over images. The paper's value is that of one data set, "
    "or the mean of its five; averages it misprints are recomputed. A verdict is given only where method, "
    "weights, protocol, names and images are the paper's: *agrees* within the tolerance, else *above* or "
    "*below*."
)


def render(results: Sequence[EvalResult], *, classes: bool = False) -> str:
    """Return the whole report.

    Args:
        classes: whether the IoU of every class is listed too.
    """
    compared = [(result, compare(result)) for result in results]
    parts = [
        "# Evaluation report\n",
        _EXPLANATION + "\n",
        "## Beside the paper\n",
        beside(compared).markdown(),
    ]
    notes = [f"{_title(r)}: {'; '.join(c.reasons)}." for r, c in compared if c.reasons]
    if notes:
        parts += ["Not comparable, because:\n", markdown_list(notes)]
    means = averages(compared)
    if means.rows:
        parts += ["## Averages over the five data sets\n", means.markdown()]
    parts += ["## All scores\n", scores(results).markdown(), "## How it was run\n", runs(results).markdown()]
    failures = [f"{_title(r)}: {id}: {reason}" for r in results for id, reason in r.images.failed.items()]
    if failures:
        parts += ["Images that could not be evaluated:\n", markdown_list(failures)]
    if classes:
        for result in results:
            parts += [f"## Classes: {_title(result)}\n", per_class(result).markdown()]
    return "\n".join(parts)


def render_cells() -> str:
    """Return which cells of the paper's tables can get a verdict, and which cannot and why."""
    return "\n".join(
        [
            "## Cells of the paper's tables that can get a verdict\n",
            counts().markdown(),
            "A mean gets a difference, no verdict of its own, where each of its five values can get one. "
            "Cells without, and why:\n",
            markdown_list(without_verdict()),
        ]
    )


def beside(compared: Sequence[tuple[EvalResult, Comparison]]) -> Table:
    """Return one row per result: ours, the paper's, the difference, the verdict."""
    rows: list[tuple[Cell, ...]] = []
    for result, found in compared:
        row = found.row
        rows.append(
            (
                result.dataset,
                str(result.protocol.get("name")),
                result.preset,
                _percent(result.scores["miou"].value),
                _interval(result.scores["miou"]),
                None if row is None else row.of(result.dataset),
                None if row is None else _place(row),
                None if found.difference is None else round(found.difference, 2),
                found.tolerance if found.verdict != "not comparable" else None,
                found.verdict,
            )
        )
    head = (
        "data set",
        "protocol",
        "preset",
        "mIoU",
        "95 %",
        "paper",
        "its row",
        "difference",
        "±",
        "verdict",
    )
    return Table(head, tuple(rows))


def averages(compared: Sequence[tuple[EvalResult, Comparison]]) -> Table:
    """Return the mean over the five data sets where a preset has all five comparable with one row."""
    groups: dict[tuple[str, str, paper.Scores], dict[str, float]] = {}
    for result, found in compared:
        if found.verdict != "not comparable" and found.row is not None:
            key = (result.preset, str(result.protocol.get("name")), found.row)
            groups.setdefault(key, {})[result.dataset] = _percent(result.scores["miou"].value)
    rows: list[tuple[Cell, ...]] = []
    for (preset, protocol, row), of_set in groups.items():
        if set(of_set) != set(paper.DATASETS):
            continue
        ours = sum(of_set.values()) / len(paper.DATASETS)
        difference = round(ours - row.average, 2)
        rows.append((preset, protocol, _place(row), ours, row.average, difference, row.note or None))
    head = ("preset", "protocol", "its row", "mean mIoU", "paper, mean of its five", "difference", "note")
    return Table(head, tuple(rows))


def scores(results: Sequence[EvalResult]) -> Table:
    """Return every score of every result, percent."""
    rows = [
        (
            result.dataset,
            result.split,
            str(result.protocol.get("name")),
            result.preset,
            *(_percent(result.scores[name].value) if name in result.scores else None for name in SCORES),
        )
        for result in results
    ]
    head = ("data set", "split", "protocol", "preset", "mIoU", "f-mIoU", "pixels", "classes", "boundary IoU")
    return Table(head, tuple(rows))


def runs(results: Sequence[EvalResult]) -> Table:
    """Return what decided each result, and what it cost."""
    rows: list[tuple[Cell, ...]] = [
        (
            result.dataset,
            result.preset,
            weights_of(result),
            str(result.model.get("sha256") or "")[:12],
            f"{result.images.done} of {result.images.total}",
            len(result.images.failed),
            round(result.seconds.per_image, 3),
            str(result.environment.get("device")),
            str(result.environment.get("dtype")),
            str(result.environment.get("radseg")),
            str(result.environment.get("commit") or "")[:9],
        )
        for result in results
    ]
    head = ("data set", "preset", "weights", "sha256", "images", "failed", "s/image", "device", "dtype")
    return Table((*head, "radseg", "commit"), tuple(rows), digits=3)


def per_class(result: EvalResult) -> Table:
    """Return IoU and accuracy of every class, percent, with its true pixels."""
    rows = [
        (one.name, asked, _maybe(one.iou), _maybe(one.accuracy), one.pixels)
        for one, asked in zip(result.per_class, result.names, strict=True)
    ]
    return Table(("class", "asked for as", "IoU", "accuracy", "pixels"), tuple(rows))


def _title(result: EvalResult) -> str:
    return f"{result.dataset} {result.protocol.get('name')}, {result.preset}"


def _place(row: paper.Scores) -> str:
    return f"{row.table}: {row.method}, {row.size}"


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _maybe(share: float | None) -> float | None:
    return None if share is None else _percent(share)


def _interval(score: Score) -> str | None:
    if score.low is None or score.high is None:
        return None
    return f"{100 * score.low:.2f} to {100 * score.high:.2f}"
