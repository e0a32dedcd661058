"""Share of the labels that a published size rule, and enlarging cosines, change; with small networks.

    PYTHONPATH=src:tests/builders:. python -m parity.size_rules FOLDER_OF_IMAGES

Weights are random and seeded, so labels change more easily than with trained ones: an upper bound.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.small_models import load_small, prompts_of
from radseg.presets.table import PRESETS

SUFFIXES = {".jpg", ".png"}
OURS: dict[str, dict[str, Any]] = {
    "sides in whole patches": {"size_rule": "patch"},
    "probabilities enlarged": {"enlarge": "probabilities"},
    "both": {"size_rule": "patch", "enlarge": "probabilities"},
}
"""What is done otherwise than published, as the presets without -paper do it."""


def main() -> None:
    """Print a row of a table per preset."""
    parser = argparse.ArgumentParser(prog="parity.size_rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", action="append", help="by default every one with a published size rule")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = sorted(path for path in options.folder.iterdir() if path.suffix in SUFFIXES)
    print("| preset | " + " | ".join(OURS) + " |")
    for name in options.preset or published():
        shares = changed(name, images)
        print(f"| `{name}` | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |", flush=True)


def published() -> Iterator[str]:
    """Yield the presets whose windows are cut or whose image is sized as a published code on CLIP does."""
    for name, preset in PRESETS.items():
        if getattr(preset.options, "size_rule", "patch") in ("pixel", "pad", "up"):
            yield name


def changed(name: str, images: list[Path]) -> list[float]:
    """Return for each of OURS the share of pixels whose label differs from the published one's."""
    labels = [_labels(name, images, **changes) for changes in ({}, *OURS.values())]
    return [float((one != labels[0]).mean()) for one in labels[1:]]


def _labels(name: str, images: list[Path], **changes: Any) -> np.ndarray:
    segmenter = load_small(name, "unrefined", **changes)
    assert segmenter is not None
    words = prompts_of(name, segmenter.encoder.space)
    found = (segmenter.segment(path, words, mode="assign").labels for path in images)
    return np.concatenate([labels.ravel() for labels in found])


if __name__ == "__main__":
    main()
