"""Images with parts for the tests of data set formats, and a way to write a format into a folder."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from radseg.io.formats.catalog import FORMATS
from radseg.io.formats.dataset import LabelledImage
from radseg.runs.exporting import parts_of

NAMES = ("cat, small", 'the "red" one', "it's/that\\this", "Straße & <Öl>", "дорога", "猫")
SHAPE = (20, 30)


def label_maps() -> list[np.ndarray]:
    """Return an empty map, one with a pixel in a corner, a ring with islands in its hole, and noise."""
    empty = np.zeros(SHAPE, np.uint8)
    pixel = empty.copy()
    pixel[-1, -1] = 6
    ring = empty.copy()
    ring[2:18, 3:27] = 1
    ring[5:15, 6:20] = 0
    ring[7:9, 8:10] = 2
    ring[11:13, 12:15] = 1
    ring[4, 22:25] = 3
    rng = np.random.default_rng(5)
    noise = (rng.integers(1, 7, SHAPE) * (rng.random(SHAPE) < 0.3)).astype(np.uint8)
    return [empty, pixel, ring, noise]


PLACES = ("empty.png", "день 1/pixel.png", "a,b's/ring.png", "deep/er/noise.png")


def images(names: Sequence[str] = NAMES) -> list[LabelledImage]:
    """Return the images of `label_maps`, in subfolders."""
    return [
        LabelledImage(place, SHAPE, parts_of(labels, names))
        for place, labels in zip(PLACES, label_maps(), strict=True)
    ]


def written(form: str, folder: Path, some: Iterable[LabelledImage], names: Sequence[str] = NAMES) -> Path:
    """Write the files of a format, without any image."""
    for path, pieces in FORMATS[form].write(some, names):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"".join(pieces))
    return folder
