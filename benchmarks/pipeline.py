"""What the whole `radseg-b` call costs beside the bare backbone: `python -m benchmarks.pipeline`.

Base size, random weights, 150 names whose embeddings are given, mode `assign`. The bare backbone is the
ordinary forward pass over the same windows in the same batches, without language adaptor, SCRA or SCGA.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.measure import PeakMemory, cost, fastest_in_turns, resident_mb
from benchmarks.models import SPACE, random_radio
from radseg.methods.base import align_map, slide
from radseg.methods.radseg import RADSeg
from radseg.ops.resize import image_size
from radseg.scoring import class_cosine, class_probabilities, decide
from radseg.segment import Segmenter
from radseg.testing import ColourTextEncoder
from radseg.types import LanguageFeatures, TextEmbeddings

SIZES = ((576, 768), (688, 1376))
NAMES = 150


def inputs(height: int, width: int, names: int) -> tuple[torch.Tensor, TextEmbeddings]:
    """Return an image with structure and random text rows."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 12, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    rows = torch.randn(names, 1152, generator=generator)
    return image, TextEmbeddings(tuple(f"name {i}" for i in range(names)), rows, tuple(range(names)), SPACE)


def whole_call(height: int, width: int, names: int) -> Callable[[], Any]:
    """Prepare the call a user makes, the image at its own size."""
    image, text = inputs(height, width, names)
    segmenter = Segmenter(RADSeg(random_radio()), ColourTextEncoder(), short_side=None)
    return lambda: segmenter.segment(image, text, mode="assign")


def bare_backbone(height: int, width: int, names: int) -> Callable[[], Any]:
    """Prepare the ordinary forward pass over the same windows."""
    image, _ = inputs(height, width, names)
    method = RADSeg(random_radio())
    prepared = method.prepare(image)
    return lambda: slide(method.radio, [prepared], crop=method.crop, stride=method.stride)


def stages(height: int, width: int, names: int) -> dict[str, float]:
    """Return seconds per stage of one call."""
    image, text = inputs(height, width, names)
    method = RADSeg(random_radio())
    seconds: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        seconds[name] = fastest_in_turns({name: call}, rounds=3)[name]
        return call()

    prepared = timed("resize", lambda: method.prepare(image))
    bare = {"crop": method.crop, "stride": method.stride}
    timed("backbone, ordinary last block", lambda: slide(method.radio, [prepared], **bare))
    run_scra = lambda: slide(method.radio, [prepared], **bare, last_block=method.last_block)  # noqa: E731
    stitched = timed("backbone with SCRA", run_scra)[0]
    aggregate = method.aggregate
    assert aggregate is not None
    aggregated = timed("SCGA", lambda: aggregate(stitched))
    features = LanguageFeatures(timed("language adaptor", lambda: align_map(method.align, aggregated)), SPACE)
    cosine = timed("cosine", lambda: class_cosine(features, text))
    low = timed("softmax", lambda: class_probabilities(cosine, temperature=100.0))
    timed("upsample, denoise, decide", lambda: decide(low, image_size(image), denoising=0.5))
    return seconds


def main() -> None:
    """Print ratio, peak memory and stage table per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=NAMES)
    parser.add_argument("--size", type=int, nargs=2, action="append", metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--memory-only", action="store_true", help="one call, peak memory, nothing else")
    options = parser.parse_args()
    for height, width in options.size or SIZES:
        print(f"\n{height} × {width}, {options.names} names, {torch.get_num_threads()} threads")
        if options.memory_only:
            measure_memory(height, width, options.names)
            continue
        compare(height, width, options.names)
        with torch.inference_mode():
            for name, seconds in stages(height, width, options.names).items():
                print(f"  {name:32} {seconds * 1000:9.1f} ms")


def compare(height: int, width: int, names: int) -> None:
    """Print seconds, ratio and peak memory of the whole call and of the bare backbone."""
    forms = {"bare backbone": bare_backbone, "whole call": whole_call}
    peaks = {name: cost(prepare, height, width, names, repeats=1).peak_mb for name, prepare in forms.items()}
    with torch.inference_mode():
        fastest = fastest_in_turns({name: p(height, width, names) for name, p in forms.items()})
    for name, seconds in fastest.items():
        ratio = seconds / fastest["bare backbone"]
        print(f"{name:14} {seconds:7.2f} s  {ratio:6.3f}×  peak {peaks[name]:6.0f} MB", flush=True)


def measure_memory(height: int, width: int, names: int) -> None:
    """Print the peak resident memory of one whole call in this process."""
    call = whole_call(height, width, names)
    print(f"before the call {resident_mb():6.0f} MB")
    start = time.perf_counter()
    with PeakMemory() as memory:
        call()
    print(f"peak            {memory.peak_mb:6.0f} MB, {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
