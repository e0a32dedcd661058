"""Figure 1: every method of Table A.3, and one's own models that have results and costs."""

import json
from dataclasses import replace
from io import BytesIO

import pytest
from matplotlib.axes import Axes
from PIL import Image

from evaluation_builders import paper_run
from radseg.errors import InputError, MissingFileError
from radseg.evaluation.studies.tradeoff import (
    Cost,
    own_points,
    published_points,
    read_costs,
    tradeoff_plot,
)

ROW = {"preset": "radseg-b-paper", "parameters": 105_800_000, "device": "cpu (x86_64)"}
COSTS = {"radseg-b-paper": Cost(105.8, 0.15, "cpu (x86_64)")}


def bench(folder, rows, format="radseg-bench/1"):
    file = folder / "bench.json"
    file.write_text(json.dumps({"format": format, "rows": rows}))
    return file


def test_costs_are_means_over_the_data_sets_of_a_preset(tmp_path):
    file = bench(tmp_path, [{**ROW, "timing": {"median": seconds}} for seconds in (0.1, 0.2)])
    (cost,) = read_costs(file).values()
    assert (cost.parameters, cost.device) == (105.8, "cpu (x86_64)")
    assert cost.seconds == pytest.approx(0.15)


def test_files_that_are_no_costs_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="radseg bench -o FOLDER writes"):
        read_costs(tmp_path / "none.json")
    for rows, format in (([ROW], "radseg-bench/1"), ([], "radseg-eval/1")):
        with pytest.raises(InputError, match="not a file that radseg bench wrote"):
            read_costs(bench(tmp_path, rows, format))


def test_own_points_are_means_over_the_results_and_say_of_which_sets():
    results = [paper_run(miou=20.0), paper_run("voc20", miou=80.0)]
    (point,) = own_points(results, COSTS)
    assert (point.name, point.miou) == ("radseg-b-paper (ade20k, voc20; cpu)", 50.0)
    with pytest.raises(InputError, match="two results of radseg-b-paper on ade20k"):
        own_points([results[0]] * 2, COSTS)
    with pytest.raises(InputError, match="No model has a result and a cost"):
        own_points([replace(results[0], preset="radseg-h")], COSTS)


def test_the_plot_has_every_published_method_and_ones_own_in_both_halves(monkeypatch):
    drawn = []
    own = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda self, x, y, *a, **k: drawn.append((x[0], y[0])) or own(self, x, y, *a, **k)
    )
    mine = own_points([paper_run()], COSTS)
    image = Image.open(BytesIO(tradeoff_plot(mine)))
    assert image.width > 1500
    points = (*published_points(), *mine)
    assert len(points) == 17
    assert drawn == [(p.parameters, p.miou) for p in points] + [(p.seconds, p.miou) for p in points]
    assert (106, 48.0) in drawn
    assert (0.354, 50.01) in drawn
