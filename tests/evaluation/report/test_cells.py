"""The count of the paper's cells: by the comparison itself, and what the page says of it."""

import re
from pathlib import Path

import pytest

from radseg.datasets.catalog import BENCHMARKS
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.methods import OTHERS, RUNS
from radseg.evaluation.report import cells
from radseg.evaluation.report.comparison import compare

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def every():
    return cells.paper_cells()


def test_every_printed_value_is_a_cell_once(every):
    values = [(one.table, one.row, one.dataset) for one in every if one.column == "mIoU of a set"]
    assert len(set(values)) == len(values) == 5 * (48 + 8)
    costs = [row for row in paper.TABLE_A3 if row.edition != "earlier"]
    assert sum(one.table == "A.3" for one in every) == len(costs) * (6 + 1 + 1)


def test_what_stands_in_the_way_of_a_row_takes_its_cells_away(every):
    without = {(one.row, one.dataset) for one in every if one.table == "A.2" and one.dataset and one.reasons}
    halves = {
        (f"{method}, {size}, {resolution}", "cityscapes")
        for method in ("Trident", "TextRegion")
        for size in ("base", "huge")
        for resolution in ("low", "mid", "high")
    }
    assert without == halves | {("NACLIP, base, low", "voc20")}
    means = {one.row for one in every if (one.table, one.column) == ("A.2", "mean mIoU") and one.reasons}
    assert means == {row for row, _ in without}


def test_a_run_with_another_option_would_not_be_counted(monkeypatch):
    runs = (*(run for run in RUNS if run.preset != "scclip-b"), cells.Run("scclip-b"))
    monkeypatch.setattr(cells, "RUNS", runs)
    lines = [line for line in cells.without_verdict() if "SC-CLIP, base, mid (context59" in line]
    assert len(lines) == 1
    assert "enlarge is 'probabilities', not 'cosines'" in lines[0]


def test_every_row_of_the_tables_has_a_run():
    rows = {
        (found.row.table, found.row.method, found.row.size)
        for run in RUNS
        if (found := compare(cells.whole_run(run, "ade20k", "mid"))).row
    }
    assert rows == {(row.table, row.method, row.size) for row in paper.TABLE_A2} | {
        ("A.8", one.name, "base") for one in OTHERS.values() if one.table == "A.8"
    }


def test_a_run_that_is_counted_is_whole_and_by_the_released_names():
    run = cells.whole_run(RUNS[0], "voc20", "mid")
    assert run.images.done == run.images.total == BENCHMARKS["voc20"].images
    assert compare(run).reasons == ()


def test_the_page_states_the_counts():
    page = (ROOT / "docs/reproduce.md").read_text()
    stated = re.findall(r"^\| (A\.\d) +\| (.+?) +\| +(\d+) \| +(\d+) \|$", page, re.MULTILINE)
    assert [(table, column, int(all_), int(can)) for table, column, all_, can in stated] == list(
        cells.counts().rows
    )
