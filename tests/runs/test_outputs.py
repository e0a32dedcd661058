"""Kinds of output, their endings, and the files of a whole run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError, MissingExtraError
from radseg.runs.outputs import KINDS, classes_of, heat_ending, parse_kinds, places_of, require_kinds


def test_kinds_come_in_one_order() -> None:
    assert parse_kinds("npz, Overlay,labels") == ("labels", "overlay", "npz")


@pytest.mark.parametrize("text", ["", ",", "labels,video"])
def test_unknown_kinds_list_the_known(text: str) -> None:
    with pytest.raises(InputError, match="labels, overlay, legend, heatmaps, pca, npz, coco, objects"):
        parse_kinds(text)


def test_every_kind_has_a_folder_of_its_own() -> None:
    assert len(places_of(KINDS)) == len(KINDS)


@given(st.text(max_size=60))
def test_a_heat_maps_ending_is_safe_on_any_disk(name: str) -> None:
    ending = heat_ending(12, name)
    assert ending.startswith(".012")
    assert ending.endswith(".png")
    assert set(ending) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert len(ending) < 60


def test_a_long_name_is_cut_in_a_file_name() -> None:
    assert heat_ending(1, "a" * 500) == f".001-{'a' * 40}.png"


def test_a_missing_package_is_told_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.outputs.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'pip install "radseg\[coco\]"'):
        require_kinds(("labels", "coco"))
    require_kinds(("labels",))


@pytest.mark.parametrize(("count", "ignore"), [(254, 255), (255, 65535)])
def test_the_ignore_value_follows_the_width_of_the_labels(count: int, ignore: int) -> None:
    names = [str(index) for index in range(count)]
    classes = classes_of(names, {})
    assert classes["ignore"] == ignore
    assert [one["id"] for one in classes["classes"]] == list(range(1, count + 1))
