"""What the evaluation loop costs beside the model: `python -m benchmarks.evaluation`.

Base size, random weights, ADE20K's classes and its protocol `low`, JPEG photos of 512 × 683 with label PNGs
written for the run. "model" is `predict` on prepared images, one after the other; "loop" is the whole
evaluation of the same files: reading, resizing, counting, boundary IoU, a synced line per image. They take
turns, and the fastest turn of each counts. CPU seconds are of the whole process: what the threads beside the
model work, hidden or not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import fastest_in_turns
from benchmarks.models import SPACE, random_radio
from radseg.datasets.base import FileSet
from radseg.datasets.catalog import BENCHMARKS
from radseg.evaluation.images.log import LogWriter
from radseg.evaluation.images.loop import Stages, count_labels, evaluate_images
from radseg.evaluation.images.model import predict, prepare
from radseg.evaluation.paper.protocols import protocol
from radseg.methods.radseg import RADSeg
from radseg.segment import Segmenter
from radseg.testing import ColourTextEncoder
from radseg.types import TextEmbeddings

SIZE = (512, 683)  # the most frequent size of ADE20K's validation images


def write_photos(folder: Path, count: int) -> FileSet:
    """Write photo-like noise and labels in ADE20K's layout and return the set."""
    for i in range(count):
        rng = np.random.default_rng(i)
        coarse = Image.fromarray(rng.integers(0, 256, (32, 43, 3), np.uint8)).resize(SIZE[::-1])
        grain = rng.normal(0, 12, (*SIZE, 3))
        labels = Image.fromarray(rng.integers(0, 151, (8, 11), np.uint8)).resize(SIZE[::-1], 0)
        image = folder / f"images/validation/ADE_val_{i:08}.jpg"
        label = folder / f"annotations/validation/ADE_val_{i:08}.png"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)).save(image, quality=92)
        labels.save(label)
    return BENCHMARKS["ade20k"].open(folder, partial=True)


def calls(folder: Path, images: int) -> dict[str, Callable[[], Any]]:
    """Return the two forms, over the same images with the same model."""
    photos = write_photos(folder, images)
    row = protocol("ade20k", "low")
    assert row.crop is not None
    assert row.stride is not None
    encoder = RADSeg(random_radio(), crop=row.crop, stride=row.stride, size_rule="stride")
    segmenter = Segmenter(encoder, ColourTextEncoder(), short_side=None, all_denoised="first")
    generator = torch.Generator().manual_seed(0)
    classes = len(photos.names)
    count = partial(count_labels, classes=classes)
    rows = torch.randn(classes, 1152, generator=generator)
    text = TextEmbeddings(photos.names, rows, tuple(range(classes)), SPACE)
    prepared = [prepare(photos, row, id) for id in photos.ids]

    def model() -> None:
        for image in prepared:
            predict(segmenter, text, image)

    def loop() -> None:
        log = folder / "log.jsonl"
        log.unlink(missing_ok=True)
        with LogWriter(log, {}, {}, None) as writer:
            stages = Stages(
                partial(prepare, photos, row), partial(predict, segmenter, text), writer.add, count
            )
            failed = [one.message for one in evaluate_images(photos.ids, stages) if one.message]
        assert not failed, failed

    return {"model": model, "loop": loop}


def with_cpu(name: str, call: Callable[[], Any], least: dict[str, float]) -> None:
    """Call, and keep the least CPU seconds of the process that any call of this name took."""
    start = time.process_time()
    call()
    least[name] = min(least.get(name, float("inf")), time.process_time() - start)


def main() -> None:
    """Print the seconds of both forms and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
        cpu: dict[str, float] = {}
        forms: dict[str, Callable[[], Any]] = {
            name: partial(with_cpu, name, call, cpu)
            for name, call in calls(Path(scratch), options.images).items()
        }
        wall = fastest_in_turns(forms, rounds=options.rounds)
    print(f"{options.images} images, {torch.get_num_threads()} threads, seconds per image")
    for name in wall:
        print(
            f"{name:6} {wall[name] / options.images:7.3f} s {wall[name] / wall['model']:6.3f}×   "
            f"CPU {cpu[name] / options.images:7.3f} s {cpu[name] / cpu['model']:6.3f}×"
        )


if __name__ == "__main__":
    main()
