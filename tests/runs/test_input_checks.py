"""The doctor's look at images: the right ways agree, the wrong ones are refused, and a fault is found."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from radseg.io import to_rgb
from radseg.runs.finding import Finding
from radseg.runs.input_checks import check_images, check_normalisation
from radseg.weights.config import RADIO_FORMAT


def problems() -> list[str]:
    """What is wrong with images here."""
    return [found.value for found in check_images() if found.verdict == "problem"]


def test_images_reach_the_model_here() -> None:
    (found,) = check_images()
    assert (found.verdict, found.value[:33]) == ("ok", "a known room: 96% named right, al")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda image: (to_rgb(image) - 0.45) / 0.26, "names 2[0-9]% of a known room right"),
        (
            lambda image: to_rgb(image) if isinstance(image, torch.Tensor) else to_rgb(image) / 2,
            "different features",
        ),
        (lambda image: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
    ids=["normalised twice", "another range of uint8", "broken"],
)
def test_a_fault_on_the_way_to_the_model_is_found(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[Any], Any], said: str
) -> None:
    monkeypatch.setattr("radseg.segment.to_pixels", lambda image, _=None: fault(image))
    (value, *_) = problems()
    assert re.search(said, value)


def test_a_border_that_takes_everything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.input_checks.to_rgb", lambda image: image)
    (value,) = problems()
    for form in ("normalised already or", "in 0 to 255", "in -1 to 1", "divided by 255 twice"):
        assert form in value


PLAUSIBLE = {"conditioner.mean": torch.full((3,), 0.45), "conditioner.std": torch.full((3,), 0.26)}


def saved(path: Path, **changes: Any) -> Path:
    """Write a file in our form with nothing but a normalisation; None leaves a tensor out."""
    tensors = {**PLAUSIBLE, **{f"conditioner.{name}": value for name, value in changes.items()}}
    save_file({k: v for k, v in tensors.items() if v is not None}, path, {"format": RADIO_FORMAT})
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"std": None}, "brings no deviation of the input"),
        ({"mean": torch.full((3,), 123.7)}, "its mean of the input is 124, 124, 124"),
        ({"std": torch.tensor([0.2, 0.0, 0.2])}, "its deviation of the input is 0.2, 0, 0.2"),
        ({"mean": torch.tensor([0.4, float("nan"), 0.4])}, "its mean of the input is 0.4, nan"),
    ],
)
def test_a_normalisation_that_cannot_be_is_a_problem(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    good, bad = saved(tmp_path / "good.safetensors"), saved(tmp_path / "a bad.safetensors", **changes)
    problem, fine = check_normalisation([good, bad])
    assert (problem.verdict, said in problem.value) == ("problem", True)
    assert problem.remedy == f"rm '{bad}'"
    assert fine == Finding("normalisation", "ok", "plausible mean and deviation in 1 converted RADIO")


def test_other_files_are_passed_over_and_damaged_ones_named(tmp_path: Path) -> None:
    save_file(PLAUSIBLE, tmp_path / "other.safetensors", {"format": "another"})
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    (found,) = check_normalisation(sorted(tmp_path.glob("*.safetensors")))
    assert (found.verdict, "cut.safetensors is not a valid" in found.value) == ("problem", True)
