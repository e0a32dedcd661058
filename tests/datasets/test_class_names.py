"""The class lists: counts, spelling, and the official places of a few classes."""

from pathlib import Path

import pytest

from radseg.datasets.catalog import BENCHMARKS


@pytest.mark.parametrize(
    ("name", "count"),
    [("voc20", 20), ("context59", 59), ("cocostuff", 171), ("ade20k", 150), ("cityscapes", 19)],
)
def test_lists_have_the_published_length_and_no_class_twice(name, count):
    names = BENCHMARKS[name].names
    assert len(names) == len(set(names)) == count
    assert all(n == n.strip().lower() and n for n in names)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_class_can_occur_in_the_label_files(name):
    benchmark = BENCHMARKS[name]
    for file in ("a.png", "a_labelTrainIds.png", "a_gtFine_labelTrainIds.png"):
        lookup = benchmark.code_of(Path(file)).lookup
        assert {int(v) for v in lookup if v < 65534} == set(range(len(benchmark.names)))


def test_official_places():
    """Places that the datasets' own documents name: objectInfo150, labels.py, COCO-Stuff's label list."""
    ade, city, stuff = (BENCHMARKS[n].names for n in ("ade20k", "cityscapes", "cocostuff"))
    assert (ade[0], ade[12], ade[20], ade[149]) == ("wall", "person", "car", "flag")
    assert (city[0], city[11], city[13], city[18]) == ("road", "person", "car", "bicycle")
    assert (stuff[0], stuff[79], stuff[80], stuff[170]) == ("person", "toothbrush", "banner", "wood")


def test_alphabetical_lists_are_sorted():
    assert list(BENCHMARKS["context59"].names) == sorted(BENCHMARKS["context59"].names)
    assert list(BENCHMARKS["voc20"].names) == sorted(BENCHMARKS["voc20"].names)
    assert list(BENCHMARKS["cocostuff"].names[80:]) == sorted(BENCHMARKS["cocostuff"].names[80:])
