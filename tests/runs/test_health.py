"""What the doctor finds."""

import os
import sys
from pathlib import Path

import pytest

from radseg.errors import InputError
from radseg.runs.finding import Finding
from radseg.runs.health import findings, processor_features, satisfies
from radseg.weights import catalog
from radseg.weights.home import model_folder


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at an empty store, and at no image: tests/runs/test_input_checks.py does."""
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path))
    monkeypatch.setattr("radseg.runs.health._images", lambda *_: iter(()))


def subject(cache: Path, name: str, model: str = "radseg-b") -> Finding:
    """Return the finding about one subject."""
    return next(finding for finding in findings(cache, model) if finding.subject == name)


def test_every_problem_has_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.health.version", lambda name: "0.0.1")
    monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _: 0)
    found = findings(tmp_path, "radseg-b")
    assert all(finding.remedy for finding in found if finding.verdict == "problem")
    assert {"torch", "disk"} <= {finding.subject for finding in found if finding.verdict == "problem"}


def test_the_disk_must_hold_what_the_model_still_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    radio, tower = catalog.row("c-radio_v3-b").bytes, catalog.row(catalog.SO400M_NAFLEX).bytes
    for free, verdict in ((2 * radio + tower, "ok"), (2 * radio + tower - 1, "problem")):
        monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _, free=free: free)
        disk = subject(tmp_path / "not" / "there", "disk")
        assert (disk.verdict, "radseg-b still needs 3.38 GB (c-radio_v3-b, sig" in disk.value) == (
            verdict,
            True,
        )


def test_what_is_here_is_not_needed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := model_folder("c-radio_v3-b")).mkdir(parents=True)
    (folder / catalog.row("c-radio_v3-b").file).touch()
    monkeypatch.setattr("radseg.runs.health.free_bytes", lambda _: 2 * 10**9)
    disk = subject(tmp_path, "disk", "radseg-b+")
    assert disk.value == f"2.00 GB free; radseg-b+ still needs 2.85 GB ({catalog.SO400M_NAFLEX}, sam-vit-h)"
    assert subject(tmp_path, "disk", "miniature") == Finding("disk", "ok", "2.00 GB free; miniature is here")


def test_a_model_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model 'radseg-z'"):
        findings(tmp_path, "radseg-z")


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (
            {"amx_bf16", "avx512_vnni", "avx2"},
            "--dtype bfloat16 (amx_bf16) and --text-dtype int8 (avx2, avx512_vnni)",
        ),
        ({"bf16", "i8mm"}, "--dtype bfloat16 (bf16) and --text-dtype int8 (i8mm)"),
        ({"avx_vnni"}, "fast here: --text-dtype int8 (avx_vnni)"),
        ({"avx2", "fma"}, "fast here: --text-dtype int8 (avx2)"),
        ({"sse4_2"}, "no bfloat16 or int8 instructions: keep float32"),
    ],
)
def test_the_processor_decides_what_type_is_worth_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: set[str], said: str
) -> None:
    monkeypatch.setattr("radseg.runs.health.processor_features", lambda: frozenset(features))
    assert subject(tmp_path, "processor").value.endswith(said)


def test_the_kernel_says_what_an_arm_processor_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd i8mm bf16\nCPU part\t: sve\n")
    monkeypatch.setattr("radseg.runs.health.CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx2": True, "sve": False}, raising=False)
    assert processor_features() == {"fp", "asimd", "i8mm", "bf16", "avx2"}


def test_a_processor_held_back_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    found = subject(tmp_path, "processor")
    assert (found.verdict, found.remedy) == ("note", "unset ATEN_CPU_CAPABILITY")


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
    disk = subject(tmp_path, "disk")
    assert (disk.verdict, disk.value.endswith(" free")) == ("ok", True)


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
