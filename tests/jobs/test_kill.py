"""kill -9 at any moment: after resuming, nothing is lost, doubled, or cut short."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

IMAGES = 12
CONTENT = 40_000  # bytes per output, written in pieces so that a kill can fall in between

CHILD = """
import os, sys, time
from pathlib import Path
import radseg.files
from radseg.jobs.folder import OutputFile, opened, run
from radseg.jobs.sources import collect

class InPieces:
    # The operating system, but bytes are written in pieces, so that a kill can fall in between.

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, handle, content):
        time.sleep(0.0005)
        return os.write(handle, content[:4000])

def slow(image):
    time.sleep(0.004)
    return image.stem

def files_of(result, image):
    yield from (OutputFile(kind, ".png", result.encode() * 20_000) for kind in ("masks", "pca"))

radseg.files.os = InPieces()
photos, out = Path(sys.argv[1]), Path(sys.argv[2])
places = {"masks": ".png", "pca": ".png"}
with opened(out, collect([str(photos)]).images, {"p": 1}, places=places, existing="resume") as plan:
    print("started", flush=True)
    run(plan, slow, files_of, lambda record, result: None)
"""


def start(photos: Path, out: Path, source: Path) -> subprocess.Popen[str]:
    """Start a run and wait until it works on images."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(photos), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n", child.communicate()[1]
    return child


def test_nothing_is_lost_doubled_or_cut_after_kills(tmp_path: Path, repository: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for index in range(IMAGES):
        (photos / f"{index:02}.jpg").touch()
    moments = random.Random(7)
    kills = 0
    for _ in range(25):
        child = start(photos, out, repository / "src")
        time.sleep(moments.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
        assert all(path.stat().st_size == CONTENT for path in out.rglob("*.png"))
        if child.returncode == 0:
            break
    finished = start(photos, out, repository / "src")
    finished.communicate()
    assert finished.returncode == 0
    assert kills >= 3
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()[1:]]
    assert sorted(line["name"] for line in lines) == [f"{index:02}" for index in range(IMAGES)]
    expected = {
        out / f"{kind}/{i:02}.png": f"{i:02}" * 20_000 for i in range(IMAGES) for kind in ("masks", "pca")
    }
    assert {path: path.read_text() for path in out.rglob("*.png")} == expected
    assert not list(out.rglob(".radseg-*.part"))
