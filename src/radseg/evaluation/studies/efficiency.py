"""What a model costs per image (paper Table A.3): seconds, parameters of the vision side, peak memory.

The paper averages over all validation images. Here: one image of each data set's commonest size, through
the same code as an evaluation, from the resized image to labels at full size; text is not counted. With
RADSeg+ the time depends on how many regions are found, so a made-up image says little about it.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from radseg.datasets.catalog import BENCHMARKS
from radseg.errors import InputError, ResourceError
from radseg.evaluation.images.loop import Prepared
from radseg.evaluation.images.model import device_name, predict
from radseg.evaluation.images.resizing import mmseg_size
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.methods import OTHERS
from radseg.evaluation.paper.protocols import protocol
from radseg.evaluation.report.tables import Cell, Table
from radseg.methods.base import Scorer
from radseg.metrics.timing import Timing, timed
from radseg.presets import plugins
from radseg.presets.load import ensure, load, method_of, untrained
from radseg.presets.spec import ModelSpec
from radseg.presets.table import PRESETS
from radseg.segment import Segmenter
from radseg.text.vocabulary import Vocabulary
from radseg.types import Rgb, Size, TextEmbeddings
from radseg.weights.reporters import Reporter

COMMON_SIZES = {
    "context59": Size(375, 500),
    "voc20": Size(375, 500),
    "cocostuff": Size(480, 640),
    "ade20k": Size(512, 683),
    "cityscapes": Size(1024, 2048),
}
"""The commonest image of each data set, in pixels [our choice; Cityscapes has no other]."""

_RADSEG_SIZES: dict[str, paper.ModelSize] = {"c-radio_v3-b": "base", "c-radio_v3-h": "huge"}


@dataclass(frozen=True)
class BenchRequest:
    """What is measured.

    Attributes:
        model: windows and templates are the protocol's, but an embedded model's own.
        given: options of the model that the protocol leaves as they are.
        random_weights: whether the model is built at its size with random weights.
    """

    model: ModelSpec
    datasets: tuple[str, ...] = paper.DATASETS
    resolution: str = "mid"
    given: tuple[str, ...] = ()
    random_weights: bool = False
    warmup: int = 1
    repeats: int = 5
    threads: int | None = None

    def __post_init__(self) -> None:
        for dataset in self.datasets:
            if dataset not in COMMON_SIZES:
                raise InputError(f"There is no data set {dataset!r}; choose from {', '.join(COMMON_SIZES)}.")
            protocol(dataset, self.resolution)
        if self.repeats < 1 or self.warmup < 0:
            raise InputError("Time at least one call, after zero or more warm-up calls.")


@dataclass(frozen=True)
class Measured:
    """The cost of one preset on an image of one data set.

    Attributes:
        weights: "random", or what the model calls its checkpoint.
        input: the resized image, pixels.
        names: how many names compete.
        parameters: of every network that sees the image.
        peak_mb: see `metrics.timing.timed`; None where the system does not tell.
    """

    preset: str
    weights: str
    dataset: str
    input: Size
    names: int
    parameters: int
    timing: Timing
    peak_mb: float | None
    device: str
    threads: int


def fetch(request: BenchRequest, downloads: Reporter) -> None:
    """Fetch what `measure` reads; embeddings are made up where the method lets them be."""
    if not request.random_weights:
        method = method_of(request.model)
        ensure(request.model, downloads, with_text=method.needs_prompts(request.model.options))


def measure_apart(request: BenchRequest) -> list[Measured]:
    """Return `measure` of the request, run in a fresh process, so that no other model counts as memory.

    Raises:
        ResourceError: that process did not start, or was killed.
    """
    fresh = multiprocessing.get_context("spawn")
    files = plugins.loaded_files()  # so that a method of somebody's own is known there
    # Not a Pool, which starts a process that dies again and again, and waits for it.
    with ProcessPoolExecutor(1, fresh, initializer=_load_plugins, initargs=(files,)) as pool:
        try:
            return pool.submit(_measure_all, request).result()
        except BrokenProcessPool as error:
            raise ResourceError(
                "The process that measures ended without an answer: it did not start, or was killed, as "
                "where memory runs out. Look at what it printed above, or take a smaller model."
            ) from error


def _load_plugins(files: tuple[Path, ...]) -> None:
    plugins.load_installed()
    plugins.load_plugins(files)


def _measure_all(request: BenchRequest) -> list[Measured]:
    return list(measure(request))


def measure(request: BenchRequest) -> Iterator[Measured]:
    """Yield the cost of a preset on every data set's image.

    Raises:
        InputError: unknown preset, device or dtype; random weights for one that the catalogue does not shape.
        WeightsUnavailableError: the weights are neither local nor obtainable.
    """
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    for dataset in request.datasets:
        segmenter = _load(request, dataset)
        image = made_up(input_size(dataset, request.resolution))
        size = COMMON_SIZES[dataset]
        prepared = Prepared(image, np.zeros(tuple(size), np.uint16))
        text = random_text(segmenter, len(BENCHMARKS[dataset].names))
        device = torch.device(request.model.device)
        timing, peak = timed(
            partial(predict, segmenter, text, prepared),
            device=device,
            warmup=request.warmup,
            repeats=request.repeats,
        )
        yield Measured(
            request.model.name,
            "random" if request.random_weights else str(segmenter.origin.get("checkpoint")),
            dataset,
            Size(*image.shape[-2:]),
            len(text.names),
            parameter_count(segmenter.encoder, segmenter.refine),
            timing,
            peak,
            device_name(request.model.device),
            torch.get_num_threads(),
        )


def _load(request: BenchRequest, dataset: str) -> Segmenter:
    preset = request.model.preset
    if preset.published:
        rules = preset.options.taken(protocol(dataset, request.resolution).options(preset))
    else:  # it has windows and templates of its own
        rules = {"short_side": None, "long_side": None}
    changes = {name: value for name, value in rules.items() if name not in request.given}
    model = request.model.changed(**changes)
    return untrained(model) if request.random_weights else load(model)


def input_size(dataset: str, resolution: str) -> Size:
    """Return the size of a data set's commonest image after the protocol's resizing, pixels."""
    rules, size = protocol(dataset, resolution), COMMON_SIZES[dataset]
    if rules.short_side is None or rules.long_side is None:
        return size
    return mmseg_size(size, long_side=rules.long_side, short_side=rules.short_side)


def made_up(size: Size) -> Rgb:
    """Return an image of soft colours, the same every time."""
    coarse = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, tuple(size), mode="bicubic").clamp(0, 1)[0]


def random_text(segmenter: Segmenter, names: int) -> TextEmbeddings:
    """Return embeddings of that many names in the segmenter's space, without its text tower.

    Only a text-dependent method, which has no features to tell the width of the space, embeds one prompt.
    """
    space = segmenter.encoder.space
    if isinstance(segmenter.encoder, Scorer):
        width = segmenter.text_encoder.embed(Vocabulary.parse(["name"])).values.shape[-1]
    else:
        width = segmenter.features(torch.rand(3, 64, 64)).shape[0]
    values = torch.randn(names, width, generator=torch.Generator().manual_seed(0))
    return TextEmbeddings(tuple(f"name {i}" for i in range(names)), values, tuple(range(names)), space)


def parameter_count(*parts: Any) -> int:
    """Return how many parameters the networks inside these objects have, each network counted once."""
    found: dict[int, nn.Module] = {}
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, nn.Module):
            found[id(part)] = part
        elif is_dataclass(part):
            waiting += [getattr(part, field.name) for field in fields(part)]
    unique = {id(p): p.numel() for network in found.values() for p in network.parameters()}
    return sum(unique.values())


def bench_table(measured: Sequence[Measured]) -> Table:
    """Return one line per preset and data set, and their mean where a preset has all five."""
    lines: list[tuple[Cell, ...]] = []
    for preset in dict.fromkeys(one.preset for one in measured):
        own = [one for one in measured if one.preset == preset]
        row = published(preset)
        for one in own:
            lines.append(
                (
                    preset,
                    one.weights,
                    one.dataset,
                    str(one.input),
                    one.names,
                    round(one.parameters / 1e6, 1),
                    one.timing.median,
                    f"{one.timing.low:.3f} to {one.timing.high:.3f}",
                    None if one.peak_mb is None else round(one.peak_mb),
                    None if row is None else row.seconds[paper.DATASETS.index(one.dataset)],
                    None if row is None else row.parameters,
                )
            )
        if {one.dataset for one in own} == set(paper.DATASETS):
            mean = sum(one.timing.median for one in own) / len(own)
            average = None if row is None else row.average
            lines.append((preset, None, "mean", None, None, None, mean, None, None, average, None))
    head = ("preset", "weights", "data set", "input", "names", "M params", "median s", "quartiles", "peak MB")
    return Table((*head, "paper s (V100)", "paper M"), tuple(lines), digits=3)


def published(preset: str) -> paper.Cost | None:
    """Return the paper's row for a preset, the later text's where they differ; None where it has none."""
    known = PRESETS.get(preset)
    if known is None:
        return None
    if known.method in OTHERS:
        method, size = OTHERS[known.method].name, OTHERS[known.method].sizes.get(str(known.checkpoint))
    else:
        method = "RADSeg" if known.options.refine == "none" else "RADSeg+"
        size = (
            _RADSEG_SIZES.get(str(known.checkpoint))
            if getattr(known.options, "scra_temperature", None)
            else None
        )
    rows = [row for row in paper.TABLE_A3 if (row.method, row.size) == (method, size)]
    return next((row for row in rows if row.edition != "earlier"), None)
