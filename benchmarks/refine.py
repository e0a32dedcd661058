"""RADSeg+ beside its straightforward per-name form: `python -m benchmarks.refine`.

Base size, random weights, an image of 576 × 768 with 20 regions: seconds per stage, and the ratio of the two
forms in the same run. `--regions` measures finding regions alone at 4K with 60 names; `--large` a 4K image
with 300 names. Times are CPU seconds of this process (user and system), the least of the repeats, so that a
shared machine disturbs them less than the clock on the wall.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks import refine_plain as plain
from benchmarks.measure import PeakMemory, resident_mb
from benchmarks.models import BASE, random_radio
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.models.sam import SamDecoder
from radseg.ops.regions import label_regions
from radseg.ops.resize import image_size
from radseg.refine.base import CoarseResult
from radseg.refine.merge import Canvas, Merger
from radseg.refine.radio_sam import Prompted, SamRefiner
from radseg.refine.sources import RadioFeatures
from radseg.scoring import decide
from radseg.types import Size
from radseg.weights.config import AdaptorConfig, HeadConfig, SamSizes

SIZE = Size(576, 768)
UHD = Size(2160, 3840)
REGIONS = 20
NAMES = 20
SAM_HEAD = AdaptorConfig("sam", 3, None, None, HeadConfig("mlp_v2", 768, 1520, 1280, 2))


def scene(names: int, size: Size, regions: int, seed: int = 0) -> torch.Tensor:
    """Return "c h w" probabilities on the patch grid that look like a scene of about so many regions."""
    generator = torch.Generator().manual_seed(seed)
    grid = (size.height // 16, size.width // 16)
    rows = max(1, round((regions * grid[0] / grid[1]) ** 0.5))
    tiles = torch.randint(names, (1, 1, rows, max(1, round(regions / rows))), generator=generator)
    owner = F.interpolate(tiles.float(), grid, mode="nearest")[0, 0].long()
    logits = (
        F.one_hot(owner, names).permute(2, 0, 1) * 6.0 + torch.randn(names, *grid, generator=generator) * 0.3
    )
    return logits.softmax(0)


def coarse_of(low: torch.Tensor, size: Size) -> CoarseResult:
    """Return the decision that refinement starts from."""
    decision = decide(low, size)
    return CoarseResult(low, decision.labels, decision.confidence)


def refiner() -> SamRefiner:
    """Return RADSeg+ at base size with random weights."""
    torch.manual_seed(0)
    sam = SamDecoder().eval().requires_grad_(False)
    radio = random_radio(replace(BASE, adaptors=(*BASE.adaptors, SAM_HEAD)))
    return SamRefiner(RadioFeatures(radio, SelfCorrelatingAttention()), sam)


def least(call: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Return the result and the least CPU seconds of the repeats."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


def with_threshold_between(one: SamRefiner, prompted: Prompted) -> SamRefiner:
    """Return the refiner with a threshold that half the regions of the image pass."""
    scores = [score for *_, score in one.decode([prompted])]
    return replace(one, iou_threshold=float(np.median(scores)))


@torch.inference_mode()
def stages(repeats: int) -> None:
    """Print the stage table and the ratios."""
    one, image = refiner(), torch.rand(3, *SIZE)
    seed = next(
        s for s in range(1000) if _count(one, coarse_of(scene(NAMES, SIZE, REGIONS, s), SIZE)) == REGIONS
    )
    coarse = coarse_of(scene(NAMES, SIZE, REGIONS, seed), SIZE)
    ours, theirs = {}, {}
    encoded = one.sam_image(image)
    sam_size = image_size(encoded)
    features, ours["re-encode"] = least(lambda: one.source.encode([encoded])[0], min(repeats, 2))
    embedding, ours["neck"] = least(lambda: one.sam.embed_image(features[None]), repeats)
    options = {"coarse_threshold": one.coarse_threshold, "min_area": one.min_area}
    proposals, ours["regions"] = least(lambda: one.rules.propose(coarse, **options), repeats)
    (points, boxes), ours["coordinates"] = least(lambda: one.point_and_box(proposals, sam_size), repeats)
    whole = slice(0, len(proposals))
    masks, ours["mask prompts"] = least(lambda: one.mask_prompts(coarse, proposals, sam_size, whole), repeats)
    (sparse, dense), ours["prompt encoder"] = least(
        lambda: (one.sam.embed_points_and_boxes(points, boxes), one.rules.embed_masks(one.sam, masks)),
        repeats,
    )
    prompted = Prompted(coarse, proposals, embedding[0], sam_size, sparse)
    one = with_threshold_between(one, prompted)
    decoded, seconds = least(lambda: list(one.decode([prompted])), repeats)
    # `decode` makes and embeds the mask prompts batch by batch; those were measured above.
    ours["decoder"] = seconds - ours["mask prompts"] - ours["prompt encoder"]
    _, ours["merge"] = least(lambda: _merge(one, prompted, decoded), repeats)

    (found, half, full), theirs["regions"] = least(
        lambda: plain.propose(coarse.probabilities, SIZE, one.coarse_threshold, one.min_area // 4), repeats
    )
    prompts, theirs["mask prompts"] = least(
        lambda: plain.prompts(found, half, SIZE, one.coarse_threshold), repeats
    )
    calls, theirs["prompt encoder"] = least(lambda: plain.embed(one.sam, prompts), repeats)
    (logits, scores), theirs["decoder"] = least(
        lambda: plain.decode_per_name(one.sam, embedding, calls), repeats
    )
    accepted = scores > scores.median()
    _, theirs["merge"] = least(lambda: plain.merge(found, logits, accepted, full, sam_size), repeats)
    images = embedding.expand(len(proposals), -1, -1, -1)
    _, at_once = least(lambda: one.sam.decode(images, sparse, dense), repeats)
    print(
        f"{SIZE}, {len(proposals)} regions; per name {len(found)} at half size in {len(calls)} decoder calls"
    )
    report(ours, theirs, at_once)


def _count(one: SamRefiner, coarse: CoarseResult) -> int:
    return len(one.rules.propose(coarse, coarse_threshold=one.coarse_threshold, min_area=one.min_area))


def _merge(one: SamRefiner, prompted: Prompted, decoded: list[tuple[int, int, torch.Tensor, float]]) -> Any:
    merger = Merger(prompted.coarse, Canvas(prompted.coarse, prompted.sam_size, SamSizes()))
    accepted = np.array([score > one.iou_threshold for *_, score in decoded])
    for _, region, logits, _ in decoded:
        if accepted[region]:
            merger.add(int(prompted.proposals.classes[region]), logits)
    failed = prompted.proposals.area(~accepted, prompted.coarse.size)
    return one.rules.settle(prompted.coarse, merger.merged(), failed)


NETWORKS = ("re-encode", "neck", "prompt encoder", "decoder")


def report(ours: dict[str, float], theirs: dict[str, float], at_once: float) -> None:
    """Print the stage table and the ratios."""
    print(f"{'stage':16} {'per name ms':>12} {'ours ms':>10}")
    for name, seconds in ours.items():
        other = f"{theirs[name] * 1000:.1f}" if name in theirs else ""
        print(f"{name:16} {other:>12} {seconds * 1000:10.1f}")
    outside, plain_outside = (
        sum(seconds for name, seconds in one.items() if name not in NETWORKS) for one in (ours, theirs)
    )
    print(f"outside the networks: {plain_outside * 1000:.0f} ms / {outside * 1000:.0f} ms = ", end="")
    print(f"{plain_outside / outside:.1f}× faster")
    decoder = ours["decoder"]
    print(f"decoder: one call per name takes {theirs['decoder'] / decoder:.2f}× ours, ", end="")
    print(f"one call with all prompts {at_once / decoder:.2f}×")


def regions(names: int = 60, size: Size = UHD) -> None:
    """Print the time of finding all regions of a 4K map against the per-name form."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, names, 9, 16, generator=generator)
    blobs = F.interpolate(noise, (size.height // 16, size.width // 16), mode="bicubic")[0]
    coarse = coarse_of((blobs * 10).softmax(0), size)
    labels, confidence = coarse.labels.numpy(), coarse.confidence.numpy()
    found, seconds = least(lambda: label_regions(labels, confidence, min_area=900), 5)
    other, plain_seconds = least(
        lambda: plain.regions_per_name(labels.astype(np.int64) - 1, confidence, names, 900), 1
    )
    assert len(found) == len(other)
    print(f"{size}, {names} names, {len(found)} regions: per name {plain_seconds:.2f} s, ", end="")
    print(f"all at once {seconds * 1000:.0f} ms: {plain_seconds / seconds:.0f}× faster")


@torch.inference_mode()
def large(names: int = 300, size: Size = UHD, count: int = 400) -> None:
    """Print what everything outside the networks takes for a large image: time and memory."""
    coarse = coarse_of(scene(names, size, count), size)
    torch.manual_seed(0)
    blobs = torch.randn(16, 1, 6, 6)
    masks = F.interpolate(blobs, (256, 256), mode="bicubic")[:, 0]
    before = resident_mb()
    with PeakMemory() as memory:
        start = time.process_time()
        found = label_regions(coarse.labels.numpy(), coarse.confidence.numpy(), ignore={0}, min_area=900)
        merger = Merger(coarse, Canvas(coarse, Size(576, 1024), SamSizes()))
        for i, name in enumerate(np.sort(found.labels - 1)):
            merger.add(int(name), masks[i % len(masks)])
        merger.merged()
        seconds = time.process_time() - start
    print(f"{size}, {names} names, {len(found)} masks over the whole image: {seconds:.1f} CPU s, ", end="")
    cube = names * size.height * size.width * 4 / 2**20
    print(f"{memory.peak_mb - before:.0f} MB added; all names at full size are {cube:.0f} MB")


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", action="store_true", help="only finding regions at 4K")
    parser.add_argument("--large", action="store_true", help="only the 4K image with 300 names")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.regions:
        regions()
    elif options.large:
        large()
    else:
        stages(options.repeats)


if __name__ == "__main__":
    main()
