"""The model of bytes: what it says is needed suffices, and is near what a process really takes."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from radseg.budget import FIXED, MIB, Work
from radseg.cli.app import app
from radseg.types import Size

ROOT = Path(__file__).resolve().parents[1]


def work(side: int = 1000, names: int = 20, **values: int) -> Work:
    """A square image whose encoder takes a quarter of any budget."""
    return Work(Size(side, side), 100, names, names, lambda budget: budget // 4, **values)


@given(st.integers(1, 13_000), st.integers(1, 2000), st.integers(1, 2**33))
def test_what_is_needed_suffices_and_follows_the_budget(side: int, names: int, budget: int) -> None:
    needed = work(side, names).needed(budget)
    assert needed >= budget
    assert work(side, names).peak(needed) <= needed
    assert needed == budget or needed % MIB == 0


@pytest.mark.parametrize("more", [{"decoding": 2**30}, {"output": 900}, {"refining": 900}])
def test_decoding_outputs_and_refinement_count(more: dict[str, int]) -> None:
    assert work(**more).peak(MIB) > FIXED + 850 * 10**6 > work().peak(MIB)


def test_more_than_254_names_take_wider_labels() -> None:
    assert work(names=255).peak(MIB) - work(names=254).peak(MIB) > 4 * 1000**2


def test_upsampled_names_take_a_quarter_or_what_is_left() -> None:
    one = work()
    assert one.upsampled(2**30) == 2**28
    assert one.decided + FIXED + one.upsampled(80 * MIB) <= 80 * MIB
    assert one.upsampled(MIB) < 4 * one.pixels  # `decide` takes one name at least


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads VmHWM of /proc")
def test_a_process_takes_no_more_than_its_budget_and_a_tenth(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    Image.effect_noise((2600, 2200), 60).convert("RGB").save(file, compress_level=0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    command = [sys.executable, "-m", "benchmarks.memory", "--one", str(file), "20", "144"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    needed, peak = done.stdout.split()
    assert needed == "0"
    assert 5 * 2600 * 2200 / MIB < float(peak) < 1.1 * 144


def test_one_refused_image_does_not_end_a_folder(tmp_path: Path) -> None:
    for name, side in (("a", 1500), ("b", 40)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    done = segment(tmp_path, "64MiB")
    assert done.exit_code == 1, done.output
    assert "a.png of 1500×1500 pixels, with 2 names, needs" in done.output
    assert (tmp_path / "out/masks/b.png").is_file()
    assert not (tmp_path / "out/masks/a.png").exists()


def test_a_budget_too_small_for_any_image_is_refused_at_the_start(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    done = segment(tmp_path, "4MiB")
    assert done.exit_code == 2, done.output
    assert "Even an image of 1×1 pixels, with 2 names, needs 49MiB" in done.output
    assert not (tmp_path / "out/manifest.jsonl").exists()


def segment(folder: Path, budget: str):
    """Run the command on a folder with the toy."""
    options = ("-m", "toy", "-p", "red, blue", "-o", str(folder / "out"), "--memory-budget", budget)
    return CliRunner().invoke(app, ["segment", str(folder), *options])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no arenas")
@pytest.mark.parametrize(("shared", "arenas"), [("share_one_arena()", 1), ("pass", 2)])
def test_threads_share_one_arena_where_they_are_told_to(shared: str, arenas: int) -> None:
    code = (
        "import ctypes, threading; from radseg.budget import share_one_arena; c = ctypes.CDLL(None); "
        f"{shared}; t = threading.Thread(target=lambda: c.malloc(9)); t.start(); t.join(); c.malloc_stats()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("Arena ") == arenas
