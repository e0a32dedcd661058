"""Plots with matplotlib where it is installed, those of sweeps. No pyplot: no global state, no backend."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radseg.errors import InputError
from radseg.evaluation.report.tables import Table
from radseg.evaluation.studies.ablations import Sweep
from radseg.extras import require
from radseg.files import write_bytes

INK, BASE, ROW = "#30363d", "#8b949e", "#0969da"


def require_plots() -> None:
    """Raise MissingExtraError, before hours of work, where matplotlib is not installed."""
    require("matplotlib.figure", "plot")


def save_sweep_plot(path: Path, sweep: Sweep, table: Table, *, subtitle: str) -> None:
    """Write the plot of a sweep as a PNG file, whole or not at all; raises as `sweep_plot`."""
    write_bytes(path, sweep_plot(sweep, table, subtitle=subtitle))


def sweep_plot(sweep: Sweep, table: Table, *, subtitle: str) -> bytes:
    """Return a PNG of mIoU per row with its 95 % interval; the first row is grey.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: the table has no rows.
    """
    if not table.rows:
        raise InputError(f"The ablation {sweep.name} has no rows to plot.")
    figure = new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    records = table.records()
    if sweep.axis is None:
        _bars(axes, records)
    else:
        _line(axes, records, [variant.position for variant in sweep.variants], sweep.axis)
    axes.set_ylabel("mIoU %")
    axes.set_title(f"{sweep.shows}\n{subtitle}", fontsize=9, color=INK, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    return png_of(figure)


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of matplotlib with a canvas, inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "plot").Figure((width, height), dpi=150, layout="constrained")
    require("matplotlib.backends.backend_agg", "plot").FigureCanvasAgg(figure)
    return figure


def png_of(figure: Any) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _bars(axes: Any, records: Sequence[Any]) -> None:
    places = range(len(records))
    values = [record["mIoU %"] for record in records]
    axes.bar(places, values, color=[BASE] + [ROW] * (len(records) - 1), width=0.6)
    _intervals(axes, places, records, INK)
    bottom = min(record["mIoU %"] if record["low"] is None else record["low"] for record in records)
    for place, record in zip(places, records, strict=True):  # below every interval, so nothing is struck out
        gain = "" if record["gain"] is None else f"\n{record['gain']:+.2f}"
        axes.text(place, bottom / 3, f"{record['mIoU %']:.1f}{gain}", ha="center", color="white")
    axes.set_xticks(places, [record["row"] for record in records], rotation=15 if len(records) > 4 else 0)
    axes.set_ylim(bottom=0)


def _line(axes: Any, records: Sequence[Any], positions: Sequence[float | None], label: str) -> None:
    order = sorted(range(len(records)), key=lambda i: positions[i] or 0.0)
    rows = [records[i] for i in order]
    places = [positions[i] for i in order]
    axes.plot(places, [row["mIoU %"] for row in rows], "o-", color=ROW)
    _intervals(axes, places, rows, ROW)
    axes.plot([positions[0]], [records[0]["mIoU %"]], "o", color=INK, markersize=9, label="first row")
    if max(p or 0.0 for p in places) >= 20:
        axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.legend(frameon=False, fontsize=8)


def _intervals(axes: Any, places: Sequence[float | None], records: Sequence[Any], colour: str) -> None:
    """Draw every interval where it lies, which need not be around its score; one image has none."""
    known = [(x, r["low"], r["high"]) for x, r in zip(places, records, strict=True) if r["low"] is not None]
    middles = [(low + high) / 2 for _, low, high in known]
    halves = [(high - low) / 2 for _, low, high in known]
    axes.errorbar([x for x, *_ in known], middles, yerr=halves, fmt="none", ecolor=colour, capsize=4)
