"""Every method in one table: lines, parameters, seconds, memory: `python -m benchmarks.methods`.

Random weights at real sizes, 576 × 768 pixels as they are, 20 names given as embeddings, mode `assign`; one
fresh process per method, seconds the median of the repeats. Thresholds are lowered so that random weights
give regions to refine and to pool; how many were refined is in the table, because the cost depends on it.

Networks are built once per method and asked `--repeats` times, once by default; a row is printed as soon as
it is measured. Start it on a quiet machine: under the load of ten others MaskCLIP took 28 s and RADSeg+ with
11 regions 56 s on one thread. Those that look through SAM take longest; name presets to measure these alone.
"""

import argparse
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.measure import Cost, cost_here
from benchmarks.parts import count, random_decoder, random_part
from radseg import methods
from radseg.methods.corrclip import CorrCLIP
from radseg.methods.textregion import TextRegion
from radseg.modes import WITH_SAM
from radseg.presets.options import Options
from radseg.presets.table import METHODS, PRESETS, Preset
from radseg.refine.base import Refiner
from radseg.refine.corrected import Corrected
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.sources import RadioFeatures
from radseg.segment import Segmenter
from radseg.testing import ColourTextEncoder
from radseg.types import TextEmbeddings
from radseg.weights.config import SamSizes

SIZE = (576, 768)
NAMES = 20
BASE_SIZED = tuple(
    name
    for name, preset in PRESETS.items()
    if preset.published and not name.endswith("-paper") and "-h" not in name and "-l" not in name
)
"""All presets with base-size backbones: new rows of the table are measured without being named here."""


def prepared(name: str) -> tuple[Segmenter, TextEmbeddings, int]:
    """Return the segmenter of a preset with random weights and text rows, and its number of parameters."""
    preset = PRESETS[name]
    measured = {"short_side": None, "coarse_threshold": 0.0, "denoising": 0.0, "iou_threshold": 0.0}
    options = preset.options.changed(preset.options.taken(measured))
    row = METHODS[preset.method]
    refining = ("sam",) if options.refine in WITH_SAM and row.refiner is None else ()
    backbone = random_part(str(preset.checkpoint), {*row.adaptors, *refining})
    auxiliary = [random_part(weights) for weights in preset.auxiliary]
    encoder = row.build(backbone, auxiliary, options)
    if isinstance(encoder, TextRegion):
        encoder = replace(encoder, min_iou=-1e9, min_stability=0.0, min_locality=-2.0)
    if isinstance(encoder, CorrCLIP):
        # One mask per point, more than are left of an image's.
        regions = replace(encoder.regions, min_iou=-1e9, min_stability=0.0, box_iou=1.0)
        encoder = replace(encoder, regions=regions)
    refiner = _refiner(preset, encoder, backbone, auxiliary, options)
    extra = [refiner.sam] if isinstance(refiner, SamRefiner) else []
    segmenter = Segmenter(
        encoder,
        ColourTextEncoder(),
        short_side=None,
        temperature=options.temperature,
        denoising=0.0,
        refine=refiner,
    )
    if row.needs_prompts(options):  # it has no features; its text space is its backbone's
        width = backbone.to_language(torch.zeros(1, backbone.width)).shape[-1]
    else:
        width = encoder.encode([torch.rand(3, 112, 112)])[0].values.shape[0]
    rows = torch.randn(NAMES, width, generator=torch.Generator().manual_seed(0))
    names = tuple(f"name {i}" for i in range(NAMES))
    text = TextEmbeddings(names, rows, tuple(range(NAMES)), encoder.space)
    return segmenter, text, count([backbone, *auxiliary, *extra])


def _refiner(
    preset: Preset, encoder: Any, backbone: Any, auxiliary: list[Any], options: Options
) -> Refiner | None:
    if options.refine == "none":
        return None
    own = METHODS[preset.method].refiner
    if own is not None:
        return own(backbone, auxiliary, options)
    return SamRefiner(
        RadioFeatures(backbone, encoder.last_block),
        random_decoder(SamSizes()),
        coarse_threshold=0.0,
        iou_threshold=0.0,
        rules=Corrected(),
    )


def image(height: int, width: int) -> torch.Tensor:
    """Return an image with structure."""
    coarse = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]


class Measured(NamedTuple):
    """One row of the table."""

    lines: int
    parameters: int
    regions: int
    found: Cost


def measured(name: str, repeats: int, threads: int) -> Measured:
    """Return the row of a preset; its networks are built once."""
    segmenter, text, parameters = prepared(name)
    photo = image(*SIZE)
    answers = []
    found = cost_here(
        lambda: lambda: answers.append(segmenter.segment(photo, text, mode="assign")), (), repeats, threads
    )
    regions = 0 if segmenter.refine is None else int(answers[-1].meta["regions"])
    return Measured(lines_of(type(segmenter.encoder).__module__), parameters, regions, found)


def lines_of(module: str) -> int:
    """Return the number of lines of a method's file."""
    file = Path(str(methods.__file__)).parent / f"{module.rsplit('.', 1)[1]}.py"
    return len(file.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=BASE_SIZED)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    print(f"{SIZE[0]} × {SIZE[1]}, {NAMES} names, {options.threads} thread(s), random weights, float32")
    print("| preset | lines | parameters, M | seconds | added, MB | peak, MB | regions |")
    print("|---|---|---|---|---|---|---|")
    for name in options.presets:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = (name, options.repeats, options.threads)
            lines, parameters, regions, found = pool.apply(measured, row)
        numbers = f"{parameters / 1e6:.0f} | {found.seconds:.2f} | {found.added_mb:.0f} | {found.peak_mb:.0f}"
        print(f"| {name} | {lines} | {numbers} | {regions or ''} |", flush=True)


if __name__ == "__main__":
    main()
