"""What happens to odd checkpoints, row by row of docs/checkpoints.md, and that malicious ones run nothing."""

import json
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from odd_checkpoints import MALICIOUS, NOTE, ODD, OK, PAGE, REFUSED, WARNS, Odd, written
from radseg.errors import CheckpointError, UnsafeCheckpointError
from radseg.models.radio import load_radio
from radseg.weights.load import read_config
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio

UNREAD = ("_loss_states.", "adaloss", "weight_balance_mask")


@pytest.fixture
def make(save: Any, save_folder: Any, build: Any) -> Any:
    """Write an odd checkpoint, plain but for its point, and return its path."""

    def write(odd: Odd) -> Path:
        teachers = [
            build.teacher("clip", "x"),
            build.teacher("siglip2", "siglip2-so400m"),
            build.teacher("dino"),
        ]
        state = build.state(("clip", "siglip2", "dino"))
        state = {key: value for key, value in state.items() if not key.startswith(UNREAD)}
        if odd.folder:
            state = build.to_folder(state) | {"radio_model.summary_idxs": torch.tensor([0, 1, 2])}
        state = {key: value for key, value in (state | odd.adds).items() if value is not None}
        arguments = {"teachers": teachers, **odd.arguments}
        if not odd.folder:
            return save(state, **arguments)
        folder = save_folder(state, **arguments)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | odd.config))
        return folder

    return write


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.what)
def test_an_odd_checkpoint_is_treated_as_the_table_says(odd: Odd, make: Any, listener: Any) -> None:
    path = make(odd)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if odd.outcome == REFUSED:
            with pytest.raises(CheckpointError) as error:
                resolve_radio(path, DownloadOptions(reporter=listener))
            assert odd.said in str(error.value)
            assert "\n" not in str(error.value)
            return
        load_radio(resolve_radio(path, DownloadOptions(reporter=listener)))
    said = [*listener.lines, *(str(one.message) for one in caught)]
    assert [odd.said in line for line in said] == ([] if odd.outcome == OK else [True])
    assert bool(listener.lines) == (odd.outcome == NOTE)
    assert bool(caught) == (odd.outcome == WARNS)


def test_the_page_shows_these_tables() -> None:
    assert len(ODD) >= 30
    assert len(MALICIOUS) >= 20
    text = PAGE.read_text()
    assert text == written(text), "run tests/builders/odd_checkpoints.py and look at what changed"


def remove(marker: Path) -> None:
    if marker.is_dir() and not marker.is_symlink():
        shutil.rmtree(marker)
    else:
        marker.unlink(missing_ok=True)
    marker.with_name("marker.npy").unlink(missing_ok=True)


@pytest.mark.parametrize("case", MALICIOUS)
def test_a_malicious_value_runs_nothing_wherever_it_stands(
    case: str, save: Any, build: Any, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    there = [marker, marker.with_name("marker.npy")]
    value = MALICIOUS[case](str(marker))
    pickle.loads(pickle.dumps(value))  # an ordinary reader runs it, or this test would show nothing
    assert any(path.exists() for path in there)
    remove(marker)

    plain = read_config(resolve_radio(save(name="plain.pth.tar")))
    unneeded = save(build.state() | {"ema": value}, name="unneeded.pth.tar", odd=[value], more={"x": value})
    assert read_config(resolve_radio(unneeded)).adaptors == plain.adaptors
    key = "base_model.blocks.0.norm1.bias"
    for path in (
        save(name="needed.pth.tar", model=value),
        save(name="needed.pth.tar", model_kwargs={"act_layer": value}),
        save(name="needed.pth.tar", teachers=value),
        save(build.state() | {key: value}, name="needed.pth.tar"),
    ):
        with pytest.raises(CheckpointError, match=r"needed\.pth\.tar"):
            resolve_radio(path)
    assert not any(path.exists() for path in there)


def test_what_is_left_out_is_named_and_counted_once(save: Any, build: Any, listener: Any) -> None:
    extra = {f"_mystery.{i}": torch.ones(1) for i in range(6)}
    path, options = save(build.state() | extra), DownloadOptions(reporter=listener)
    resolve_radio(path, options)
    resolve_radio(path, options)
    (line,) = listener.lines
    assert line == (
        "tiny.pth.tar holds 9 name(s) that the publisher's own loader does not read either; left out: "
        "_loss_states.0.mean, adaloss, weight_balance_mask, _mystery.0, …."
    )


def test_what_cannot_be_placed_can_be_left_out_as_the_message_says(save: Any, build: Any) -> None:
    path = save(build.state() | {"base_model.evil": torch.ones(1)})
    with pytest.raises(CheckpointError) as error:
        resolve_radio(path)
    assert "--drop base.evil (in Python: drop=['base.evil'])" in str(error.value)
    load_radio(path, drop=["base.evil"])


def test_a_state_whose_names_are_no_text_is_refused(save: Any, build: Any) -> None:
    with pytest.raises(CheckpointError, match="7 is no name of a tensor"):
        resolve_radio(save(build.state() | {7: torch.ones(1)}))


def test_an_unread_number_type_in_a_needed_place_is_refused(save: Any, build: Any) -> None:
    bias = torch.ones(32, dtype=torch.complex64)
    with pytest.raises(UnsafeCheckpointError, match="ComplexFloatStorage"):
        resolve_radio(save(build.state() | {"base_model.blocks.0.norm1.bias": bias}))
