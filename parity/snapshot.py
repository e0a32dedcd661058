"""Record a SHA-256 of what every preset gives with small networks, to see what a refactoring changes.

    PYTHONPATH=src:tests:. python -m parity.snapshot FILE.json             # record
    PYTHONPATH=src:tests:. python -m parity.snapshot FILE.json --compare   # name what differs; exit 1 if any

Hashes compare on one kind of machine with one torch. The weights are the miniature's, or random and seeded.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub client is imported, which reads it once

import numpy as np
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from parity.small_models import CHANGES, NAMES, dense, load_small, prompts_of
from radseg.cli.app import app
from radseg.mapping.semantic_map import SemanticMap
from radseg.modes import MODES
from radseg.segment import Segmenter
from radseg.types import Rgb
from recordings import write_recording

SIZES = ((113, 97), (355, 421))
MAPS = {"toy": ("red", "blue ball"), "miniature": ("red cushion", "blue cabinet")}
"""Models that a map is built with, and what it is asked."""


def main() -> int:
    """Record or compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="parity.snapshot", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="the JSON file of hashes")
    parser.add_argument("--compare", action="store_true", help="compare with the file, leave it as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    now = snapshot()
    if options.compare:
        return report(json.loads(options.file.read_text()), now)
    options.file.write_text(json.dumps(now, indent=1) + "\n")
    print(f"{len(now['hashes'])} presets and maps, {sum(map(len, now['hashes'].values()))} hashes")
    return 0


def report(before: dict[str, Any], now: dict[str, Any]) -> int:
    """Print what differs and what only one side has; return 1 if there is any."""
    if before["machine"] != now["machine"]:
        print(f"made on another machine: {before['machine']}, now {now['machine']}")
    different = 0
    for name in dict.fromkeys([*before["hashes"], *now["hashes"]]):
        old, new = before["hashes"].get(name), now["hashes"].get(name)
        if old is None or new is None:
            print(f"{name}: only {'now' if old is None else 'before'}")
        elif changed := [case for case in dict.fromkeys([*old, *new]) if old.get(case) != new.get(case)]:
            print(f"{name}: {len(changed)} of {len(old)} differ: {', '.join(changed[:6])}")
        different += old != new
    print(f"{different} presets and maps differ" if different else f"{len(now['hashes'])} are equal")
    return int(different > 0)


def snapshot() -> dict[str, Any]:
    """Return {"machine": …, "hashes": {preset: {case: SHA-256}}}."""
    machine = f"torch {torch.__version__}, {platform.platform()}, {torch.backends.cpu.get_cpu_capability()}"
    hashes = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RADSEG_HOME"] = f"{folder}/home"  # no embedding of another version is read
        for name in NAMES:
            hashes[name] = dict(cases_of(name))
        recording = write_recording(Path(folder, "recording"))
        for name, words in MAPS.items():
            hashes[f"map of {name}"] = dict(map_cases(recording, Path(folder, name), name, *words))
    return {"machine": machine, "hashes": hashes}


def cases_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield case and hash of a preset: all modes at all sizes, then every change at the small size."""
    for height, width in SIZES:
        yield from results(name, f"{height}x{width}", load_small(name), picture(height, width), MODES)
    for change in CHANGES:
        yield from results(name, change, load_small(name, change), picture(*SIZES[0]), ("assign",))


def results(
    name: str, case: str, segmenter: Segmenter | None, image: Rgb, modes: tuple[Any, ...]
) -> Iterator[tuple[str, str]]:
    """Yield the hashes of one image."""
    if segmenter is None:
        yield case, "refused"
        return
    words = prompts_of(name, segmenter.encoder.space)
    with torch.inference_mode():
        yield f"{case} dense", sha256(dense(segmenter, image, words))
    for mode in modes:
        if mode == "independent" and segmenter.refine is not None:
            continue  # refused: refinement needs one label per pixel
        found = segmenter.segment(image, words, mode=mode)
        for part in ("scores", "labels", "confidence"):
            yield f"{case} {mode} {part}", sha256(getattr(found, part))


def map_cases(recording: Path, folder: Path, model: str, *words: str) -> Iterator[tuple[str, str]]:
    """Yield the hashes of a map of features, of what it answers, and of a map of probabilities."""
    build = ("map", "build", recording, "-m", model, "--no-check", "--quiet", "-o")
    radseg(*build, folder / "features")
    radseg(*build, folder / "probabilities", "--space", "probabilities", "-p", ", ".join(words))
    for kind in ("features", "probabilities"):
        whole = SemanticMap.open(folder / kind).whole()
        for part in ("keys", "values", "weights", "colours"):
            yield f"{kind} {part}", sha256(getattr(whole, part))
    answer = json.loads(radseg("query", folder / "features", *words, "--json"))
    del answer["seconds"]
    # Numbers alone: keys may be renamed.
    yield "query", sha256(sorted(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", json.dumps(answer))))


def radseg(*arguments: Any) -> str:
    """Return the standard output of a command."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def picture(height: int, width: int) -> Rgb:
    """Return blocks of random colours under noise."""
    noise = torch.Generator().manual_seed(height)
    blocks = F.interpolate(torch.rand(1, 3, 4, 5, generator=noise), (height, width))[0]
    return (blocks + 0.1 * torch.randn(3, height, width, generator=noise)).clamp(0, 1)


def sha256(values: Any) -> str:
    """Return the hash of type, shape and bytes of an array."""
    array = np.ascontiguousarray(values)
    return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + array.tobytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
