"""Evaluation results as the paper's own run would have written them, to be changed field by field."""

from dataclasses import asdict, replace

from radseg.datasets.catalog import BENCHMARKS
from radseg.evaluation.images.result import ClassScore, EvalResult, Images, Score, Seconds
from radseg.evaluation.paper.protocols import protocol, released_names
from radseg.presets.options import RadsegOptions
from radseg.presets.table import PRESETS


def paper_run(dataset: str = "ade20k", *, miou: float = 28.96, name: str = "mid", **options) -> EvalResult:
    """Return a whole run of RADSeg-base by the book; `miou` in percent, `options` beyond the protocol's."""
    benchmark, rules = BENCHMARKS[dataset], protocol(dataset, name)
    asked = released_names(dataset, benchmark.names)
    chosen = RadsegOptions().changed({**rules.options(PRESETS["radseg-b-paper"]), **options})
    return EvalResult(
        dataset=dataset,
        split=benchmark.split,
        protocol=rules.as_dict(),
        preset="radseg-b-paper",
        options=asdict(chosen),
        model={"checkpoint": "c-radio_v3-b", "sha256": "ab" * 32, "version": "c-radio_v3-b", "space": "s"},
        names=asked,
        per_class=tuple(ClassScore(one, 0.25, 0.5, 10) for one in benchmark.names),
        scores={"miou": Score(miou / 100, miou / 100 - 0.01, miou / 100 + 0.01), "fmiou": Score(0.6)},
        images=Images(benchmark.images, benchmark.images),
        seconds=Seconds(100.0, 101.0, 0.05),
        environment={"radseg": "0.1.0", "commit": "0123456789ab", "device": "NVIDIA", "dtype": "float32"},
    )


def changed(result: EvalResult, field: str, **values) -> EvalResult:
    """Return the result with some entries of one of its mappings replaced."""
    return replace(result, **{field: {**getattr(result, field), **values}})
