"""The paper's values: sums add up, misprints are named, and every row stands in the paper's own text."""

import re

import pytest

from radseg.errors import InputError
from radseg.evaluation.paper import published as paper

TEXTS = {"earlier": ("000_5f6a8bb6c5a22b2c.txt", "|"), "later": ("002_2610185a69fa09c5.txt", "\t")}


def name_of(row):
    return "-".join(
        str(getattr(row, field)) for field in ("table", "method", "size", "resolution", "edition")
    )


def printed_average(row):
    match = re.fullmatch(r"printed ([\d.]+)", row.note)
    return float(match[1]) if match else None


@pytest.mark.parametrize("row", paper.TABLES, ids=name_of)
def test_average_is_the_mean_of_the_five_values(row):
    mean = sum(row.values) / 5
    assert abs(row.average - mean) <= 0.0051  # printed with two decimals
    printed = printed_average(row)
    assert printed is None or abs(printed - mean) > 0.1, "that is no misprint"


def test_the_misprinted_averages_are_the_seven_known_ones():
    """methods spec 1.7."""
    misprinted = {(r.method, r.size, r.resolution): printed_average(r) for r in paper.TABLE_A2 if r.note}
    assert misprinted == {
        ("TextRegion", "base", "low"): 43.17,
        ("ProxyCLIP", "huge", "mid"): 43.21,
        ("RADSeg+", "base", "low"): 48.84,
        ("RADSeg+", "base", "high"): 49.49,
        ("RADSeg+", "huge", "low"): 47.73,
        ("RADSeg+", "huge", "mid"): 49.38,
        ("RADSeg+", "huge", "high"): 50.19,
    }


@pytest.mark.parametrize("row", paper.TABLE_A3, ids=lambda row: f"{row.method}-{row.size}-{row.edition}")
def test_average_latency_is_the_mean_over_the_data_sets(row):
    assert abs(row.average - sum(row.seconds) / 5) <= 0.001  # addends and sum are rounded to a millisecond


def test_no_two_rows_claim_the_same_place():
    places = [(r.table, r.method, r.size, r.resolution, r.edition) for r in paper.TABLES]
    assert len(set(places)) == len(places)


def numbers(line, separator):
    plain = re.sub(r"</?\w+>|\*\*", "", line)
    cells = [cell.strip() for cell in plain.split(separator)]
    return [float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)]


@pytest.fixture(scope="module")
def lines(shared):
    """Numbers of every line that a table could be, per text."""
    found = {}
    for edition, (file, separator) in TEXTS.items():
        rows = (numbers(line, separator) for line in (shared / "paper" / file).read_text().splitlines())
        found[edition] = [row for row in rows if len(row) >= 3]
    return found


def stands_in(line_numbers, wanted):
    width = len(wanted)
    return any(
        tuple(line[start : start + width]) == tuple(wanted)
        for line in line_numbers
        for start in range(len(line) - width + 1)
    )


@pytest.mark.parametrize("row", paper.TABLES, ids=name_of)
def test_row_stands_in_the_text_of_the_paper(row, lines):
    wanted = (*row.values, printed_average(row) or row.average)
    editions = {"both": ("earlier", "later"), "earlier": ("earlier",), "later": ("later",)}[row.edition]
    for edition in editions:
        if edition == "later" and row.table == "4":
            continue
        assert stands_in(lines[edition], wanted)


def test_every_wide_line_of_the_later_text_is_held(lines):
    """Lines of 18 numbers are three groups of five values and their average: Tables A.2 and A.7."""
    held = {row.values for row in paper.TABLES if row.edition in ("later", "both")}
    wide = [line for line in lines["later"] if len(line) == 18]
    assert len(wide) == 16 + 6
    assert {tuple(line[start : start + 5]) for line in wide for start in (0, 6, 12)} <= held


@pytest.mark.parametrize("row", paper.TABLE_A3, ids=lambda row: f"{row.method}-{row.size}-{row.edition}")
def test_cost_stands_in_the_text_of_the_paper(row, lines):
    printed = re.fullmatch(r"printed ([\d.]+)", row.note)
    wanted = (*row.seconds, row.average, row.parameters, float(printed[1]) if printed else row.miou)
    assert stands_in(lines["earlier" if row.edition == "earlier" else "later"], wanted)


@pytest.mark.parametrize("row", paper.TABLE_2, ids=lambda row: f"{row.method}-{row.lifted}")
def test_3d_row_stands_in_the_text_of_the_paper(row, lines):
    wanted = (*row.replica, *row.scannet, *row.scannetpp)
    width = {"features": 0, "probabilities": 6}[row.lifted]
    assert any(
        tuple(line[start:]) == wanted or (width == 0 and tuple(line[:6]) == wanted and len(line) == 12)
        for line in lines["earlier"]
        for start in range(0, len(line), 6)
    )


def test_row_of_the_later_text_is_found_unless_the_earlier_is_asked_for():
    assert paper.find("RADSeg+", "base").of("ade20k") == 30.83
    assert paper.find("RADSeg+", "base", edition="earlier").of("ade20k") == 30.86
    assert paper.find("+ SCRA", "base", table="4").of("cityscapes") == 44.50
    assert paper.find("RADSeg", "huge", "high").edition == "both"


def test_unknown_row_and_column_are_refused_with_what_there_is():
    with pytest.raises(InputError, match=r"no 'Segmentor'.*It has: .*RADSeg\+"):
        paper.find("Segmentor", "base")
    with pytest.raises(InputError, match="no column 'camvid'; it has context59"):
        paper.find("RADSeg", "base").of("camvid")
