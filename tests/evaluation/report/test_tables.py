import csv
import io

import pytest

from radseg.errors import InputError
from radseg.evaluation.report.tables import Table, markdown_list

TABLE = Table(("name", "mIoU", "n"), (("plain", 66.666, 3), ("a|b", None, None), ("SCRA +", 5.0, 12)))


def test_markdown_is_aligned_and_numbers_stand_right():
    assert TABLE.markdown() == (
        "| name   |  mIoU |   n |\n"
        "| ------ | ----: | --: |\n"
        "| plain  | 66.67 |   3 |\n"
        "| a\\|b   |       |     |\n"
        "| SCRA + |  5.00 |  12 |\n"
    )


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("a\nb", "a b"), ("<script>", "&lt;script>"), ("c\\d", "c\\\\d"), ("x | y", "x \\| y"), (True, "True")],
)
def test_a_cell_stays_one_harmless_cell(cell, shown):
    lines = Table(("head",), ((cell,),)).markdown().splitlines()
    assert len(lines) == 3
    assert lines[2].strip("| ") == shown


def test_csv_reads_back_with_all_digits():
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows == [["name", "mIoU", "n"], ["plain", "66.666", "3"], ["a|b", "", ""], ["SCRA +", "5.0", "12"]]


def test_csv_text_is_never_a_formula_and_numbers_are_numbers():
    rows = (("=1+1",), ("@cmd",), ("+ SCRA",), (-0.3,))
    assert Table(("n",), rows).csv().splitlines()[1:] == ["'=1+1", "'@cmd", "'+ SCRA", "-0.3"]


def test_records_are_rows_by_column():
    assert TABLE.records()[0] == {"name": "plain", "mIoU": 66.666, "n": 3}


def test_a_row_of_another_length_is_refused():
    with pytest.raises(InputError, match="A row of 1 cells in a table of 2 columns"):
        Table(("a", "b"), (("x",),))


def test_an_empty_table_has_its_head():
    assert Table(("a", "bb"), ()).markdown() == "| a   | bb  |\n| --- | --- |\n"
    assert markdown_list(["one", "<two>"]) == "- one\n- &lt;two>\n"
