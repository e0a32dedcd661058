"""mIoU against parameters and against seconds (paper Fig. 1): the published methods, and one's own beside.

The published points are those of Table A.3: means over the five data sets at mid resolution, on a V100.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from radseg.errors import InputError, MissingFileError
from radseg.evaluation.images.result import EvalResult
from radseg.evaluation.paper import published as paper
from radseg.evaluation.studies.plots import BASE, INK, ROW, new_figure, png_of
from radseg.extras import require
from radseg.files import bytes_of, json_of

FORMAT = "radseg-bench/1"
"""What bench.json says it is."""
OWN = "#d1242f"
MARKER = 7
"""Half the width of a published marker, pixels of the figure; a name keeps off it."""
_MARKERS = {"base": "o", "huge": "s"}
_PLACES = ((8, 0), (-8, 0), (0, 7), (0, -7), (6, 7), (-6, 7), (6, -7), (-6, -7), (8, 18), (-8, -18), (8, -18))
"""Where a name may stand beside its point, points of a printer; the first that covers nothing is taken."""


class Cost(NamedTuple):
    """What one model costs: parameters of its vision side, millions, mean seconds per image, and where."""

    parameters: float
    seconds: float
    device: str


@dataclass(frozen=True)
class Point:
    """One model of the figure; `miou` in percent, `size` of the published ones."""

    name: str
    parameters: float
    seconds: float
    miou: float
    size: paper.ModelSize | None = None


def published_points() -> tuple[Point, ...]:
    """Return the paper's methods, the later text's values where the two differ."""
    return tuple(
        Point(row.method, row.parameters, row.average, row.miou, row.size)
        for row in paper.TABLE_A3
        if row.edition != "earlier"
    )


def read_costs(file: Path) -> dict[str, Cost]:
    """Return the cost of every preset in a bench.json, the mean over its data sets.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is none that radseg bench wrote.
    """
    if not file.is_file():
        raise MissingFileError(f"There is no file {file}; radseg bench -o FOLDER writes FOLDER/bench.json.")
    try:
        content = json_of(bytes_of(file))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in content["rows"]:
            groups.setdefault(row["preset"], []).append(row)
        return {preset: _cost(rows) for preset, rows in groups.items()}
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not a file that radseg bench wrote: {error}.") from error


def _cost(rows: Sequence[Mapping[str, Any]]) -> Cost:
    seconds = [float(row["timing"]["median"]) for row in rows]
    return Cost(float(rows[0]["parameters"]) / 1e6, sum(seconds) / len(seconds), str(rows[0]["device"]))


def own_points(results: Sequence[EvalResult], costs: Mapping[str, Cost]) -> tuple[Point, ...]:
    """Return the models that have results and costs; their names say over how many data sets the mean is.

    Raises:
        InputError: no model has both, or one has two results on a data set, such as of two protocols.
    """
    found: dict[str, dict[str, float]] = {}
    for result in results:
        of_preset = found.setdefault(result.preset, {})
        if result.dataset in of_preset:
            raise InputError(f"There are two results of {result.preset} on {result.dataset}; one is needed.")
        of_preset[result.dataset] = 100 * result.scores["miou"].value
    points = tuple(
        Point(
            f"{preset} ({_sets(scores)}; {costs[preset].device.partition(' (')[0]})",
            costs[preset].parameters,
            costs[preset].seconds,
            sum(scores.values()) / len(scores),
        )
        for preset, scores in found.items()
        if preset in costs
    )
    if not points:
        raise InputError(
            f"No model has a result and a cost: results of {', '.join(found)}; costs of {', '.join(costs)}."
        )
    return points


def _sets(scores: Mapping[str, float]) -> str:
    if set(scores) == set(paper.DATASETS):
        return "mean of five"
    return ", ".join(scores)


def tradeoff_plot(own: Sequence[Point]) -> bytes:
    """Return the figure as PNG: parameters left, seconds right, both logarithmic, mIoU upwards.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(12, 5.2)
    left, right = figure.subplots(1, 2, sharey=True)
    points = (*published_points(), *own)
    for axes, values, label in (
        (left, [p.parameters for p in points], "parameters of the vision side, millions"),
        (right, [p.seconds for p in points], "seconds per image (published: V100)"),
    ):
        for point, x in zip(points, values, strict=True):
            marker, colour = _MARKERS.get(point.size or "", "*"), _colour(point)
            axes.plot([x], [point.miou], marker, color=colour, markersize=12 if point.size is None else 7)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(label)
        axes.margins(0.16, 0.08)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    left.set_ylabel("mIoU %")
    figure.suptitle(
        "○ base  □ huge: Table A.3 of the paper, mean of five data sets, mid resolution   ★ measured here",
        fontsize=9,
        color=INK,
    )
    figure.canvas.draw()  # places are known from here on
    for axes, values in ((left, [p.parameters for p in points]), (right, [p.seconds for p in points])):
        _name_points(axes, points, values)
    return png_of(figure)


def _colour(point: Point) -> str:
    if point.size is None:
        return OWN
    return ROW if point.name.startswith("RADSeg") else BASE


def _name_points(axes: Any, points: Sequence[Point], values: Sequence[float]) -> None:
    """Write every name where it covers no point and no other name, if such a place is near."""
    middles = [axes.transData.transform((x, p.miou)) for x, p in zip(values, points, strict=True)]
    box_of = require("matplotlib.transforms", "plot").Bbox.from_bounds
    markers = [box_of(x - MARKER, y - MARKER, 2 * MARKER, 2 * MARKER) for x, y in middles]
    taken: list[Any] = []
    for point, x in zip(points, values, strict=True):
        for across, up in _PLACES:
            text = axes.annotate(
                point.name,
                (x, point.miou),
                (across, up),
                textcoords="offset points",
                ha="left" if across > 0 else "right" if across < 0 else "center",
                va="center" if up == 0 else "bottom" if up > 0 else "top",
                fontsize=7.5,
                color=_colour(point),
            )
            box = text.get_window_extent()
            free = not any(box.overlaps(other) for other in (*taken, *markers))
            if free or (across, up) == _PLACES[-1]:
                taken.append(box)
                break
            text.remove()
