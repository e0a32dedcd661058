"""What the doctor finds."""

import os
import sys
from pathlib import Path

import pytest

from radseg.runs.health import Finding, findings, satisfies


def subject(cache: Path, name: str) -> Finding:
    """Return the finding about one subject."""
    return next(finding for finding in findings(cache) if finding.subject == name)


def test_every_problem_has_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.health.version", lambda name: "0.0.1")
    monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _: 0)
    found = findings(tmp_path)
    assert all(finding.remedy for finding in found if finding.verdict == "problem")


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _: 2**30)
    disk = subject(tmp_path / "not" / "there", "disk")
    assert (disk.verdict, disk.value.startswith("1.0 GiB free")) == ("problem", True)


def test_a_cache_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert subject(tmp_path, "cache").remedy.startswith("export RADSEG_HOME=")


def test_offline_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    network = subject(tmp_path, "network")
    assert (network.verdict, network.remedy) == ("note", "unset HF_HUB_OFFLINE")


def test_a_gpu_that_torch_does_not_see_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.health._has_nvidia_gpu", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert subject(tmp_path, "CUDA").verdict == "problem"


def test_torch_that_does_not_load_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = subject(tmp_path, "torch loads")
    assert (found.verdict, "--force-reinstall torch" in found.remedy) == ("problem", True)


@pytest.mark.parametrize(
    ("installed", "bound", "expected"),
    [
        ("2.13.0+cpu", ">=2.10,<3", True),
        ("2.9.1", ">=2.10,<3", False),
        ("3.0", "<3", False),
        ("odd", ">=1", True),
    ],
)
def test_version_bounds(installed: str, bound: str, expected: bool) -> None:
    assert satisfies(installed, bound) is expected
