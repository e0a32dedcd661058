"""The protocols are the paper's rows, and every one is a legal set of options."""

import re
from pathlib import Path

import pytest

from radseg.datasets.catalog import BENCHMARKS
from radseg.errors import InputError
from radseg.evaluation.paper.protocols import protocol, protocols, released_names
from radseg.presets.table import PRESETS

PAPER = {"VOC": "voc20", "Stuff": "cocostuff", "CTX": "context59", "ADE": "ade20k", "City": "cityscapes"}


def table_a1(shared):
    """Rows of Table A.1 from the paper's text: dataset, then short-crop-stride per resolution."""
    text = "\n".join(path.read_text() for path in sorted((shared / "paper").glob("*.txt")))
    table = text[text.index("Table A.1. Adopted resolution") :][:1500]
    row = re.compile(r"^([A-Z][^\t\n]*)\t(\d+-\d+-\d+)\t(\d+-\d+-\d+)\t(\d+-\d+-\d+)", re.MULTILINE)
    for found in row.finditer(table):
        yield found[1], [tuple(map(int, cell.split("-"))) for cell in found.groups()[1:]]


def test_rows_equal_the_table_of_the_paper(shared):
    compared = set()
    for title, cells in table_a1(shared):
        for key, dataset in PAPER.items():
            if key.lower() in title.lower():
                rows = protocols(dataset)
                ours = [(r.short_side, r.crop, r.stride) for r in (rows["low"], rows["mid"], rows["high"])]
                assert ours == cells, title
                compared.add(dataset)
    assert compared == set(BENCHMARKS)


@pytest.mark.parametrize("dataset", [*BENCHMARKS, "folder", "miniature"])
def test_every_row_is_legal_for_every_preset(dataset):
    for row in protocols(dataset).values():
        for preset in ("radseg-b", "radseg-b+", "radseg-b-paper", "miniature"):
            options = PRESETS[preset].options.changed(row.options(PRESETS[preset]))
            assert options.short_side is None
            assert options.crop is None or options.stride <= options.crop


def test_released_rows_exist_exactly_where_the_release_differs():
    for dataset in BENCHMARKS:
        released = [name for name in protocols(dataset) if name.endswith("-released")]
        assert released == ["high-released"]
        row = protocol(dataset, "high-released")
        assert row.stride == 224 != protocol(dataset, "high").stride
    assert protocol("cocostuff", "high-released").long_side == 1334


def test_patch_rows_differ_in_the_size_rule_alone():
    for dataset in BENCHMARKS:
        row, fair = protocol(dataset, "mid").as_dict(), protocol(dataset, "mid-patch").as_dict()
        assert {key for key in row if row[key] != fair[key]} == {"name", "size_rule"}


def test_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(InputError, match="low, low-patch, mid.*high-released"):
        protocol("ade20k", "medium")


def test_released_names_are_those_of_the_spec():
    spec = (Path(__file__).parents[3] / "docs/spec/reference.md").read_text()
    section = spec[spec.index("### 6.2") : spec.index("## 7.")]
    for title, dataset in (("Cityscapes", "cityscapes"), ("COCO-Stuff", "cocostuff"), ("ADE20K", "ade20k")):
        words = re.findall(r"[a-z]+", section.split(f"- {title}:")[1].split(".")[0])
        names = BENCHMARKS[dataset].names
        glued = {new for old, new in zip(names, released_names(dataset, names), strict=True) if old != new}
        assert glued == set(words), dataset
    voc = released_names("voc20", BENCHMARKS["voc20"].names)
    assert {"ship", "table", "pottedplant", "tvmonitor", "aeroplane"} <= set(voc)
    assert not {"boat", "diningtable"} & set(voc)
    context = BENCHMARKS["context59"].names
    assert released_names("context59", context) == context
