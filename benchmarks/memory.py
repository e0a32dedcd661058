"""Peak memory of one image against the budget: megapixels × names × budgets, each in a process of its own.

    PYTHONPATH=src:. python -m benchmarks.memory [--quick]

The miniature, with the labels and the overlay that `radseg segment` saves. The peak is VmHWM above what is
resident after the model is loaded and has segmented one small image. Where a budget is refused, the number
that the refusal names is tried: it must suffice. Exits 1 where a peak is beyond its budget by more than a
tenth. Linux only.
"""

import argparse
import ctypes
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from radseg.budget import MIB
from radseg.errors import MemoryBudgetError
from radseg.presets.load import load
from radseg.runs.outputs import OUTPUT_BYTES, Segmented, files_of
from radseg.segment import Segmenter
from radseg.text.pack import VocabularyPack
from radseg.types import Size, TextEmbeddings

SIDES = {
    "0.3": (480, 640),
    "2": (1225, 1633),
    "8": (2448, 3264),
    "33": (4975, 6633),
    "100": (8660, 11547),
    "178": (13377, 13377),
}
NAMES = (2, 20, 150, 1000)
BUDGETS = (256, 1024, 4096)  # MiB
KINDS = ("labels", "overlay")
TOLERANCE = 1.10


def main() -> int:
    """Print a row per image size and number of names; return 1 if a peak is beyond its budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="up to 8 megapixels, 2 and 150 names")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        file, names, budget = options.one
        print(*measured(Path(file), int(names), int(budget)))
        return 0
    print("| megapixels | names | " + " | ".join(f"{budget} MiB" for budget in BUDGETS) + " |")
    print("|---|---|" + "---|" * len(BUDGETS))
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, sides in list(SIDES.items())[: 3 if options.quick else None]:
            file = draw(Path(folder, f"{name}.png"), *sides)
            for names in NAMES[::2] if options.quick else NAMES:
                cells = row(file, names)
                worst = max(worst, *(ratio for _, ratio in cells))
                print(f"| {name} | {names} | " + " | ".join(text for text, _ in cells) + " |", flush=True)
    print(f"The worst peak is {worst:.2f} of its budget; at most {TOLERANCE} is allowed.")
    return int(worst > TOLERANCE)


def row(file: Path, names: int) -> list[tuple[str, float]]:
    """Return text and share of its budget per budget; one that was refused is tried with the needed one."""
    cells = []
    tried: dict[int, float] = {}
    for budget in BUDGETS:
        needed, peak = child(file, names, budget)
        if needed == 0:
            cells.append((f"{peak:.0f} MiB, {peak / budget:.2f}", peak / budget))
            continue
        if needed not in tried:
            again, tried[needed] = child(file, names, needed)
            if again:
                raise SystemExit(f"Refused with {needed}MiB, and with that again: {again}MiB.")
        share = tried[needed] / needed
        cells.append((f"refused: {needed} MiB, then {share:.2f}", share))
    return cells


def child(file: Path, names: int, budget: int) -> tuple[int, float]:
    """Return the needed budget, 0 where this one suffices, and the peak, both in MiB."""
    command = [sys.executable, "-m", "benchmarks.memory", "--one", str(file), str(names), str(budget)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    needed, peak = done.stdout.split()
    return int(needed), float(peak)


def measured(file: Path, names: int, budget: int) -> tuple[int, float]:
    """Return the same, measured in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # As many names as possible stay in the running, as long as that takes seconds, not hours.
    denoising = 0.0 if names <= 20 else 0.5
    segmenter = load("miniature", memory_budget=budget * MIB, denoising=denoising)
    pack = random_pack(segmenter, names)
    run(segmenter, Image.new("RGB", (400, 300)), pack)
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
    before = status("VmRSS")
    try:
        run(segmenter, file, pack)
    except MemoryBudgetError:
        with Image.open(file) as image:
            size = Size(image.height, image.width)
        return needed_by(segmenter, size, pack), 0.0
    return 0, status("VmHWM") - before


def run(segmenter: Segmenter, image: Path | Image.Image, pack: VocabularyPack) -> None:
    """Segment one image and make its files, as `radseg segment` does."""
    from radseg.io import to_pixels  # noqa: PLC0415

    admit = segmenter.admitting(pack.embeddings, pack.contrast, "The image", output=output_bytes())
    pixels = [to_pixels(image, admit)]
    found = next(segmenter.segment_pixels(pixels, pack.embeddings, pack.contrast, mode="background"))
    del pixels
    for _, _, content in files_of(Segmented(found), Path("image.png"), KINDS):
        del content


def needed_by(segmenter: Segmenter, size: Size, pack: VocabularyPack) -> int:
    """Return the budget in MiB that the refusal names."""
    admit = segmenter.admitting(pack.embeddings, pack.contrast, "The image", output=output_bytes())
    try:
        admit(size, 7 * size.height * size.width)
    except MemoryBudgetError as error:
        return int(str(error).split("MiB")[0].split()[-1])
    raise AssertionError


def output_bytes() -> int:
    """Return the bytes a pixel of the largest of KINDS."""
    return max(OUTPUT_BYTES[kind] for kind in KINDS)


def random_pack(segmenter: Segmenter, names: int) -> VocabularyPack:
    """Return seeded embeddings of that many names, and the model's contrast bank."""
    text, bank = segmenter.embed(["sofa", "vase"], mode="background")
    values = torch.randn(names, text.values.shape[1], generator=torch.Generator().manual_seed(0))
    many = TextEmbeddings(tuple(f"name {i}" for i in range(names)), values, tuple(range(names)), text.space)
    return VocabularyPack(many, bank)


def draw(file: Path, height: int, width: int) -> Path:
    """Write blocks of random colours as a PNG."""
    blocks = np.random.default_rng(0).integers(0, 256, (height // 64 + 1, width // 64 + 1, 3), np.uint8)
    image = Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)
    image.save(file, compress_level=1)
    return file


def status(key: str) -> float:
    """Return a number of MiB that Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = None
    sys.exit(main())
