"""A page of `radseg review` for 2,000 images: seconds, bytes and memory of writing it, and how it feels.

    python -m benchmarks.review [--images 2000]

Images of 640 × 480 made of soft noise, masks of eleven classes, as files of a run. The browser is a headless
Chromium (tests/builders/chromium.py) in a window of 1280 × 800: seconds from opening the file to the first
paint and to painted cards, frames while scrolling 20 rows in the middle, one filter, one decision.
Without a browser on the machine, the first line alone.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from radseg.io import label_png_bytes
from radseg.jobs.manifest import ClassRecord, ManifestWriter, Record
from radseg.jobs.plan import deciding
from radseg.runs.outputs import write_classes
from radseg.runs.review import write_review

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/builders"))
from chromium import NAMES as BROWSERS
from chromium import Tab, chromium

NAMES = tuple(f"class {number}" for number in range(1, 12))
SIZE = (640, 480)
SCROLL = """(async () => {
    const grid = document.getElementById('grid'), frames = [], end = grid.scrollHeight;
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    for (let step = 1; step <= 20; step++) {
        const before = performance.now();
        grid.scrollTop = end / 2 + step * 196;
        await frame(); await frame();
        frames.push((performance.now() - before) / 2);
    }
    frames.sort((one, other) => one - other);
    return [frames[10], frames[18], frames[19], document.querySelectorAll('.card').length];
})()"""
TIMED = """(async () => {
    const before = performance.now();
    %s;
    await new Promise(requestAnimationFrame);
    return performance.now() - before;
})()"""


def field(generator: np.random.Generator, cells: tuple[int, int]) -> Image.Image:
    """Return soft noise of SIZE."""
    small = generator.integers(0, 256, (cells[1], cells[0]), np.uint8)
    return Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)


def image_of(folder: Path, number: int) -> Record:
    """Write one image and its mask."""
    generator = np.random.default_rng(number)
    name, photo = f"day {number % 10}/image {number:05}", folder / "photos"
    path, mask = photo / f"{name}.jpg", folder / f"run/masks/{name}.png"
    for one in (path, mask):
        one.parent.mkdir(parents=True, exist_ok=True)
    Image.merge("RGB", [field(generator, (40, 30)) for _ in range(3)]).save(path, quality=90)
    labels = (np.asarray(field(generator, (6, 5))) // 22).clip(0, 11).astype(np.uint8)
    mask.write_bytes(label_png_bytes(labels, NAMES))
    counts = np.bincount(labels.ravel(), minlength=12) / labels.size
    classes = tuple(ClassRecord(i, float(counts[i]), 0.5 + i / 30, 0.9) for i in range(1, 12) if counts[i])
    size = path.stat().st_size
    outputs = (f"masks/{name}.png",)
    return Record(f"{name}.jpg", name, size, 1, "done", outputs, 0.1, deciding({}), classes=classes)


def peak_mb() -> float:
    """Return the most memory that this process had, in MB; Linux."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_browser(page: Path, profile: Path) -> None:
    """Print what a person would notice."""
    with chromium(profile) as tab:
        tab.resize(1280, 800)
        started = time.perf_counter()
        tab.open(page.as_uri())
        tab.wait("[...document.querySelectorAll('.card canvas')].some(canvas => canvas.width > 1)", 120)
        opened = time.perf_counter() - started
        tab.wait("performance.getEntriesByName('first-contentful-paint').length")
        paint = tab.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        print(f"first paint {paint / 1000:.2f} s, first cards {opened:.2f} s")
        middle, slow, slowest, cards = tab.run(SCROLL)
        print(f"scroll: {middle:.0f} ms a frame (95 %: {slow:.0f}, most {slowest:.0f}), {cards} cards")
        print(f"filter {timed(tab, FILTER):.0f} ms, decision {timed(tab, DECISION):.0f} ms")
        print(f"script memory {tab.run('performance.memory.usedJSHeapSize') / 2**20:.0f} MB")


FILTER = "document.getElementById('class').value = 3; update()"
DECISION = "decideCurrent('accept')"


def timed(tab: Tab, script: str) -> float:
    """Return the milliseconds that a script takes with the frame after it."""
    return float(tab.run(TIMED % script))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        (folder / "run").mkdir()
        with ManifestWriter(folder / "run/manifest.jsonl", {}, None) as manifest:
            for number in range(wanted.images):
                manifest.add(image_of(folder, number))
        write_classes(folder / "run", NAMES, {}, {})
        before, started = peak_mb(), time.perf_counter()
        report = write_review(folder / "run", images=folder / "photos")
        seconds, size = time.perf_counter() - started, report.page.stat().st_size
        print(
            f"{report.images} images: {seconds:.1f} s, {size / 2**20:.1f} MB, "
            f"{size / report.images / 1024:.1f} kB an image, {peak_mb() - before:.0f} MB of memory"
        )
        if any(map(shutil.which, BROWSERS)):
            in_browser(report.page, folder / "profile")


if __name__ == "__main__":
    main()
