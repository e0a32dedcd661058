"""Changing one of five words in a run: `python -m benchmarks.change [--images 300] [--model miniature]`.

Images of rendered rooms, or of a folder, are segmented with features kept; then one word is changed, once
from the kept features and once in a new run, whose labels are compared. Wall and core seconds, loading
included, and how many pixels have another label than in the new run.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from radseg.cli.reporters import QuietReporter
from radseg.io import read_label_map
from radseg.miniature.world import free_camera, make_room, render_smooth
from radseg.modes import Keep
from radseg.presets.spec import model_spec
from radseg.runs.segmentation import SegmentRequest, segment_sources
from radseg.text.vocabulary import Vocabulary
from radseg.weights.reporters import LOGGED

FIRST = "wall, floor, red ball, white sofa, green chair"
CHANGED = "wall, floor, blue lamp, white sofa, green chair"


CUTS = ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))
"""Where a cut-out of nine tenths lies in its view, as shares of the room it has."""


def rooms(folder: Path, count: int) -> None:
    """Write images of unseen rooms: of each view ten cut-outs, five of them mirrored."""
    folder.mkdir()
    for number in range(0, count, 10):
        room = make_room(920_000 + number, split="held_out")
        view = render_smooth(room, free_camera(room, 0)).rgb
        height, width = (side * 9 // 10 for side in view.shape[:2])
        for index in range(min(10, count - number)):
            down, across = CUTS[index // 2]
            top, left = int(down * (view.shape[0] - height)), int(across * (view.shape[1] - width))
            cut = view[top : top + height, left : left + width][:, :: 1 - 2 * (index % 2)]
            Image.fromarray(np.ascontiguousarray(cut)).save(folder / f"{number + index}.png")


@contextmanager
def timed(title: str) -> Iterator[list[float]]:
    """Print the wall and core seconds of what is inside, and hand them on."""
    taken: list[float] = []
    wall, core = time.perf_counter(), time.process_time()
    yield taken
    taken += [time.perf_counter() - wall, time.process_time() - core]
    print(f"{title:<44} {taken[0]:8.1f} s wall {taken[1]:8.1f} core-s")


def differing(one: Path, other: Path) -> str:
    """Return how many pixels have another label, and in how many images."""
    pixels = images = total = 0
    for path in sorted((one / "masks").glob("*.png")):
        unequal = read_label_map(path) != read_label_map(other / "masks" / path.name)
        pixels, images, total = (
            pixels + int(unequal.sum()),
            images + bool(unequal.any()),
            total + unequal.size,
        )
    return f"{pixels} of {total:,} pixels in {images} images ({np.divide(pixels, total):.1e})"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--photos", type=Path, help="a folder of images in place of rendered rooms")
    parser.add_argument("--model", default="miniature")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as place:
        photos = asked.photos or Path(place, "photos")
        if asked.photos is None:
            rooms(photos, asked.images)

        def run(folder: str, words: str, source: Path = photos, **how: Any) -> Path:
            request = SegmentRequest(
                (str(source),), Vocabulary.parse(words), Path(place, folder), model_spec(asked.model),
                kinds=("labels",), **how,
            )  # fmt: skip
            segment_sources(request, QuietReporter(""), LOGGED)
            return request.output

        run("warm", FIRST, next(photos.iterdir()))
        with timed("new run of the changed words") as _:
            new = run("new", CHANGED)
        keeps: tuple[Keep, ...] = ("features", "features-float32")
        for keep in keeps:
            with timed(f"first run, --keep {keep}") as first:
                run(keep, FIRST, keep=keep)
            files = list(Path(place, keep, keep).iterdir())
            print(f"  kept: {sum(file.stat().st_size for file in files) / len(files) / 1e6:.2f} MB an image")
            with timed("one of five words changed") as changed:
                run(keep, CHANGED, existing="change")
            ratios = [f"{before / after:.1f}" for before, after in zip(first, changed, strict=True)]
            print(f"  {ratios[0]} × faster by the wall, {ratios[1]} × by the core")
            print(f"  labels other than in the new run: {differing(Path(place, keep), new)}")


if __name__ == "__main__":
    main()
