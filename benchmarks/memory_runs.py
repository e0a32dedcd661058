"""Peak memory of an evaluation and of a map build against the budget, each cell in a process of its own.

    PYTHONPATH=src:. python -m benchmarks.memory_runs

Evaluation: ten labelled images of 4 megapixels, 5 classes, the toy; threads read ahead and
count behind.
Map: a walk of twelve frames of 3 megapixels with features of the miniature. The peak is VmHWM above what is
resident after the model is loaded and has done one small image; where a budget is refused, the number that
the refusal names is tried. Exits 1 where a peak is beyond its budget by more than a tenth. Linux only.
"""

import argparse
import ctypes
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.memory import TOLERANCE, draw, status
from radseg.budget import MIB
from radseg.datasets.folder import open_folder
from radseg.errors import InputError
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.paper.protocols import protocol
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.runs.lifting import feature_mapper
from radseg.runs.mapping import BuildRequest, MapSettings, build_map
from radseg.testing import COLOURS
from radseg.types import Frame, Intrinsics, Size

BUDGETS = {"eval": (128, 256, 512, 1024), "map": (512, 1024, 1536, 2048)}  # MiB
CLASSES, IMAGES, FRAMES = 5, 10, 12
IMAGE, FRAME = (1732, 2309), Size(1536, 2048)


class Silent:
    """A reporter of anything."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        """Return a function that does nothing."""
        return lambda *_, **__: None


class Walk:
    """Frames of a wavy wall, from places along it."""

    def frame_ids(self) -> tuple[str, ...]:
        """Return the numbers of the frames."""
        return tuple(map(str, range(FRAMES)))

    def read(self, frame_id: str) -> Frame:
        """Return one frame."""
        rows, columns = torch.meshgrid(torch.arange(FRAME.height), torch.arange(FRAME.width), indexing="ij")
        depth = 2 + 0.5 * torch.sin(columns / 90) + 0.3 * torch.cos(rows / 50)
        camera = Intrinsics(1500, 1500, FRAME.width / 2, FRAME.height / 2, FRAME)
        pose = torch.eye(4, dtype=torch.float64)
        pose[0, 3] = 1.0 * int(frame_id)
        return Frame(frame_id, torch.rand(3, *FRAME), depth, camera, pose)


def main() -> int:
    """Print a row per kind of run; return 1 if a peak is beyond its budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measured(options.one[0], int(options.one[1])))
        return 0
    worst = 0.0
    for kind, budgets in BUDGETS.items():
        cells = []
        for budget in budgets:
            (needed, peak), asked = child(kind, budget), budget
            if needed:
                (again, peak), asked = child(kind, needed), needed
                if again:
                    raise SystemExit(f"Refused with {needed}MiB, and with that again: {again}MiB.")
            refused = f"refused: {needed} MiB, then " if needed else ""
            cells.append(f"{budget} MiB: {refused}{peak:.0f} MiB, {peak / asked:.2f}")
            worst = max(worst, peak / asked)
        print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)
    print(f"The worst peak is {worst:.2f} of its budget; at most {TOLERANCE} is allowed.")
    return int(worst > TOLERANCE)


def child(kind: str, budget: int) -> tuple[int, float]:
    """Return the needed budget, 0 where this one suffices, and the peak, both in MiB."""
    command = [sys.executable, "-m", "benchmarks.memory_runs", "--one", kind, str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    needed, peak = done.stdout.split()
    return int(needed), float(peak)


def measured(kind: str, budget: int) -> tuple[int, float]:
    """Return the same, measured in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        call = {"eval": evaluation, "map": build}[kind](Path(folder), budget * MIB)
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
        before = status("VmRSS")
        try:
            refused = call()
        except InputError as error:
            refused = str(error)
        if found := re.search(r"--memory-budget (\d+)MiB", refused):
            return int(found[1]), 0.0
        return 0, status("VmHWM") - before


def evaluation(folder: Path, budget: int) -> Callable[[], str]:
    """Return what evaluates a set, and the message of its first failed image; a small one is done before."""
    for name in ("images", "annotations"):
        (folder / name).mkdir()
    draw(folder / "images/0.png", *IMAGE)
    labels = np.random.default_rng(0).integers(0, CLASSES, (IMAGE[0] // 64 + 1, IMAGE[1] // 64 + 1), np.uint8)
    Image.fromarray(labels).resize(IMAGE[::-1], Image.Resampling.NEAREST).save(folder / "annotations/0.png")
    for name in ("images", "annotations"):
        for number in range(1, IMAGES):
            (folder / name / f"{number}.png").hardlink_to(folder / name / "0.png")
    small = folder / "small"
    for name in ("images", "annotations"):
        (small / name).mkdir(parents=True)
        with Image.open(folder / name / "0.png") as image:
            image.crop((0, 0, 400, 300)).save(small / name / "0.png")
    row = protocol("folder", "own")
    model = model_spec("toy", defaults=row.options, memory_budget=budget, denoising=0.0)

    def run(data: Path) -> str:
        images: Any = open_folder(data, tuple(COLOURS)[:CLASSES])
        request = EvalRequest(images, row, model, data / "out", existing="overwrite")
        outcome = run_evaluation(request, Silent(), Silent())  # type: ignore[arg-type]
        assert outcome.result is not None
        return next(iter(outcome.result.images.failed.values()), "")

    run(small)
    return lambda: run(folder)


def build(folder: Path, budget: int) -> Callable[[], str]:
    """Return what builds a map."""
    mapper = feature_mapper(load("miniature"), 0.05)
    assert mapper.lift is not None
    mapper.lift(torch.rand(3, 300, 400))
    request = BuildRequest(folder / "map", MapSettings(), budget=budget, model_parameters={"model": "x"})

    def run() -> str:
        progress = build_map(request, Walk(), lambda: mapper, Silent())
        return progress.skipped[0][1] if progress.skipped else ""

    return run


if __name__ == "__main__":
    sys.exit(main())
