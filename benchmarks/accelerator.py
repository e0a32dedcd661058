"""What RADSeg costs on an accelerator: `python -m benchmarks.accelerator [--device cuda]`.

Base size, random weights, 150 names whose embeddings are given, mode `assign`, refinement with every mask
accepted. Latency is the median of synchronised calls after two unmeasured ones; memory is the peak that torch
allocated, weights included. "same labels" is the share of pixels labelled as in float32.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.models import BASE, random_radio
from benchmarks.pipeline import NAMES, inputs
from benchmarks.refine import SAM_HEAD
from radseg.methods.base import slide
from radseg.methods.radseg import RADSeg, SelfCorrelatingAttention
from radseg.models.sam import SamDecoder
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.sources import RadioFeatures
from radseg.segment import Segmenter
from radseg.testing import ColourTextEncoder

SIZES = ((576, 768), (688, 1376), (2160, 3840))
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
BATCH = 8


def measured(device: torch.device, call: Callable[[], Any], repeats: int) -> tuple[Any, float, float]:
    """Return the result, median seconds and peak memory in MB of a call."""
    call()
    call()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds), torch.cuda.max_memory_allocated(device) / 2**20


def segmenters(device: torch.device, dtype: torch.dtype) -> tuple[Segmenter, Segmenter]:
    """Return RADSeg and RADSeg+ at base size."""
    config = replace(BASE, adaptors=(*BASE.adaptors, SAM_HEAD))
    method = RADSeg(random_radio(config, device=str(device), dtype=dtype))
    plain = Segmenter(method, ColourTextEncoder(), short_side=None)
    torch.manual_seed(0)
    sam = SamDecoder().eval().requires_grad_(False).to(device)
    refiner = SamRefiner(
        RadioFeatures(method.radio, SelfCorrelatingAttention()), sam, iou_threshold=-1e9, min_area=4096
    )
    return plain, replace(plain, refine=refiner)


def rows(device: torch.device, size: tuple[int, int], dtype: torch.dtype, expected: Any, repeats: int) -> Any:
    """Print one size in one dtype; return the labels for comparison."""
    image, text = inputs(*size, NAMES)
    plain, plus = segmenters(device, dtype)
    method = plain.encoder
    assert isinstance(method, RADSeg)
    prepared = method.prepare(image)
    with torch.inference_mode():
        _, bare, _ = measured(device, lambda: slide(method.radio, [prepared], crop=336, stride=224), repeats)
    result, seconds, memory = measured(device, lambda: plain.segment(image, text, mode="assign"), repeats)
    same = 1.0 if expected is None else float((result.labels == expected).mean())
    several = [image] * BATCH if size == SIZES[0] else []
    line = f"{size[0]:4} x {size[1]:4} {str(dtype).removeprefix('torch.'):9} backbone {1e3 * bare:7.1f} ms"
    line += (
        f"  RADSeg {1e3 * seconds:7.1f} ms ({seconds / bare:.2f} x, {memory:6.0f} MB, same labels {same:.4f})"
    )
    refined, longer, more = measured(device, lambda: plus.segment(image, text, mode="assign"), repeats)
    line += f"  RADSeg+ {1e3 * longer:7.1f} ms ({refined.meta['regions']} regions, {more:6.0f} MB)"
    if several:
        each = _batched(device, plain, several, text, repeats)
        line += f"  {BATCH} at once {1e3 * each:.1f} ms an image"
    print(line, flush=True)
    return result.labels if expected is None else expected


def _batched(
    device: torch.device, segmenter: Segmenter, images: Sequence[Any], text: Any, repeats: int
) -> float:
    call = lambda: list(segmenter.segment_many(images, text, mode="assign", at_once=BATCH))  # noqa: E731
    return measured(device, call, repeats)[1] / BATCH


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}", flush=True)
    for size in SIZES:
        expected = None
        for dtype in DTYPES:
            expected = rows(device, size, dtype, expected, chosen.repeats)


if __name__ == "__main__":
    main()
