"""A run of thirty small images with hostile names, as its folder lies on the disk."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from radseg.io import label_png_bytes
from radseg.jobs.manifest import ClassRecord, ManifestWriter, Record
from radseg.jobs.plan import deciding
from radseg.runs.outputs import write_classes

NAMES = ("sky", "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>")
HOSTILE = "day 1/<b onclick=alert(1)>&quot;#?%41"
COUNT = 30
PARAMETERS = {"mode": "assign"}


class ReviewedRun(NamedTuple):
    """A run and the folder of its images."""

    folder: Path
    photos: Path


def record_of(run: ReviewedRun, number: int) -> Record:
    """Write one image with its mask: label 1 above, label 2 below, the more of it the later the image."""
    name = HOSTILE if number == 0 else f"image {number:02}"
    photo = run.photos / f"{name}.png"
    photo.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, COUNT), (number * 8, 100, 50)).save(photo)
    labels = np.ones((COUNT, 64), np.uint8)
    labels[COUNT - number :] = 2
    mask = run.folder / f"masks/{name}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    mask.write_bytes(label_png_bytes(labels, NAMES))
    share = number / COUNT
    classes = (ClassRecord(1, 1 - share, 0.9, 0.99), ClassRecord(2, share, share or None, 0.5))
    size = photo.stat().st_size
    outputs = (f"masks/{name}.png",)
    made = deciding(PARAMETERS)
    return Record(f"{name}.png", name, size, 1, "done", outputs, 0.1, made, folder="mark", classes=classes)


def reviewed_run(base: Path) -> ReviewedRun:
    """Write a run of thirty images that are done and one that failed; return its folders."""
    run = ReviewedRun(base / "run", base / "photos")
    run.folder.mkdir()
    with ManifestWriter(run.folder / "manifest.jsonl", PARAMETERS, None) as manifest:
        for number in range(COUNT):
            manifest.add(record_of(run, number))
        manifest.add(
            Record("z.jpg", "z", 1, 1, "failed", (), 0.1, deciding(PARAMETERS), "no <i>image</i>", "mark")
        )
    write_classes(run.folder, NAMES, PARAMETERS, {})
    return run
