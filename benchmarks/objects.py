"""What finding objects costs beside RADSeg+: `python -m benchmarks.objects`.

Base size, random weights, 576 × 768, a class map of 20 regions put in place of the network's own, so that
there are 20 objects to find. CPU seconds of this process, the least of the repeats, both in the same run.
Twice: with the class map that RADSeg+ saw, and with one that is moved by a patch, so that none of its masks
serves again: the worst case. `--large` is the peak memory at 4K with 300 names and some 400 regions: connected parts without the
networks, then by SAM in all (weights, refinement, objects) beside what the budget says is needed.
"""

import argparse
from dataclasses import replace
from typing import Any

import torch

from benchmarks.measure import PeakMemory, resident_mb
from benchmarks.refine import NAMES, REGIONS, SIZE, UHD, coarse_of, least, scene
from radseg.objects import connected_objects
from radseg.presets.load import untrained
from radseg.presets.spec import model_spec
from radseg.refine.base import CoarseResult
from radseg.refine.objects import SamObjects
from radseg.segment import Segmenter

SOME = [f"object {index}" for index in range(NAMES)]


def model() -> Segmenter:
    """Return radseg-b+ with random weights that looks for objects and takes every mask."""
    segmenter = untrained(model_spec("radseg-b+")).with_objects(())
    assert isinstance(segmenter.objects, SamObjects)
    return replace(segmenter, objects=replace(segmenter.objects, min_iou=-10.0, min_score=0.0))


def scene_of(count: int) -> CoarseResult:
    """Return a class map of exactly so many regions."""
    for seed in range(1000):
        coarse = coarse_of(scene(NAMES, SIZE, count, seed), SIZE)
        if (
            len(
                connected_objects(
                    coarse.labels.numpy(), list(map(str, range(NAMES))), coarse.confidence.numpy()
                )
            )
            == count
        ):
            return coarse
    raise AssertionError


@torch.inference_mode()
def cost(repeats: int) -> None:
    """Print the seconds of RADSeg+ and of finding its objects, and their ratio."""
    segmenter, image = model(), torch.rand(3, *SIZE)
    finder: Any = segmenter.objects
    coarse = scene_of(REGIONS)
    _, encode = least(lambda: segmenter.encode(image), repeats)
    (outcome,), refine = least(lambda: finder.refiner.refine([image], [coarse]), repeats)
    print(f"{SIZE}: encode {encode:.2f} s, refine {refine:.2f} s")
    moved = coarse_of(coarse.probabilities.roll(1, 2), SIZE)
    for what, asked in (("every mask serves again", coarse), ("every mask is new", moved)):
        found, seconds = least(lambda asked=asked: finder.find(SOME, asked, outcome), repeats)
        share = seconds / (encode + refine)
        print(f"{what}: {len(found)} objects in {seconds:.2f} s, {share:.1%} of RADSeg+", flush=True)


@torch.inference_mode()
def large(names: int = 300, count: int = 400) -> None:
    """Print the memory that the objects of a large class map take beside it."""
    coarse = coarse_of(scene(names, UHD, count), UHD)
    labels, confidence = coarse.labels.numpy(), coarse.confidence.numpy()
    before = resident_mb()
    with PeakMemory() as memory:
        found, seconds = least(lambda: connected_objects(labels, list(map(str, range(names))), confidence), 1)
    added = memory.peak_mb - before
    pixels = UHD.height * UHD.width
    print(f"{UHD}: {len(found)} objects in {seconds:.1f} CPU s, {added:.0f} MB: ", end="")
    print(f"{added * 2**20 / pixels:.0f} bytes a pixel", flush=True)


@torch.inference_mode()
def large_by_sam(names: int = 300, count: int = 400) -> None:
    """Print the memory that RADSeg+ and its objects take at 4K above the weights, and the budget they have."""
    segmenter = model()
    finder: Any = segmenter.objects
    coarse, image = coarse_of(scene(names, UHD, count), UHD), torch.rand(3, *UHD)
    before = resident_mb()
    with PeakMemory() as refining:
        (outcome,), refine = least(lambda: finder.refiner.refine([image], [coarse]), 1)
    between = resident_mb()
    with PeakMemory() as memory:
        found, seconds = least(lambda: finder.find(list(map(str, range(names))), coarse, outcome), 1)
    budget = finder.refiner.memory_budget / 2**20
    print(f"{UHD} by SAM: refine {refine:.0f} CPU s, {refining.peak_mb - before:.0f} MB; ", end="")
    print(
        f"{len(found)} objects in {seconds:.0f} CPU s, {memory.peak_mb - between:.0f} MB beside it; ", end=""
    )
    print(f"{max(refining.peak_mb, memory.peak_mb) - before:.0f} MB in all; budget {budget:.0f} MB")


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="only memory at 4K")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.large:
        large()
        large_by_sam()
    else:
        cost(options.repeats)


if __name__ == "__main__":
    main()
