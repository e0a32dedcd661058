"""A small labelled folder of coloured images, and requests that evaluate it with the toy model."""

from pathlib import Path

import numpy as np
from PIL import Image

from radseg.datasets.folder import open_folder
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.shards import Shard
from radseg.evaluation.paper.protocols import protocol
from radseg.presets.spec import model_spec
from radseg.testing import COLOURS

NAMES = ("red", "green", "blue", "yellow", "white")


class Silent:
    """Reporter and download display that print nothing and remember what they received."""

    def __init__(self):
        self.records = []
        self.counts = {}

    def found(self, images, notes):
        self.counts["found"] = images

    def loading(self, model):
        self.counts["loaded"] = self.counts.get("loaded", 0) + 1

    def started(self, todo, earlier, folder):
        self.counts |= {"todo": todo, "earlier": earlier}

    def finished(self, record, result):
        self.records.append(record)

    def stopped(self, folder):
        self.counts["stopped"] = True

    def ended(self, report, folder, extra):
        self.report = report


def colour_folder(folder: Path, images: int = 10, size=(32, 40)) -> Path:
    """Write images of coloured tiles with noise; some tiles have another colour than their label says."""
    for sub in ("images", "annotations"):
        (folder / sub).mkdir(parents=True)
    table = np.array([COLOURS[name] for name in NAMES])
    for i in range(images):
        rng = np.random.default_rng(i)
        tiles = rng.integers(0, len(NAMES), (size[0] // 8, size[1] // 8))
        shown = np.where(rng.random(tiles.shape) < 0.2, (tiles + 1) % len(NAMES), tiles)
        labels = tiles.repeat(8, 0).repeat(8, 1).astype(np.uint8)
        labels[rng.random(labels.shape) < 0.1] = 255
        noise = rng.normal(0, 8, (*size, 3))
        image = table[shown].repeat(8, 0).repeat(8, 1) + noise
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"images/{i:02}.png")
        Image.fromarray(labels).save(folder / f"annotations/{i:02}.png")
    (folder / "classes.txt").write_text("\n".join(NAMES))
    return folder


def request(data: Path, output: Path, *, options=None, **changes) -> EvalRequest:
    row = protocol("folder", "own")
    values = {
        "images": open_folder(data, NAMES),
        "protocol": row,
        "model": model_spec("toy", defaults=row.options, **(options or {})),
        "output": output,
    }
    return EvalRequest(**(values | changes))


def confusion(output: Path) -> np.ndarray:
    with np.load(output / "confusion.npz") as stored:
        return stored["confusion"]


def shards(count: int) -> list[Shard]:
    return [Shard(i, count) for i in range(1, count + 1)]
