"""Which number of the paper an evaluation may be compared with, if any, and what comes of it.

A verdict needs the same method with the same weights, protocol, names and images. Anything else is "not
comparable", with every reason: a miniature, a toy, a part of the images, a changed option.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from radseg.datasets.catalog import BENCHMARKS
from radseg.errors import InputError
from radseg.evaluation.images.result import EvalResult
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.methods import OTHERS
from radseg.evaluation.paper.protocols import Protocol, protocols, released_names
from radseg.presets.table import PRESETS
from radseg.weights import catalog

Verdict = Literal["agrees", "above", "below", "not comparable"]

_CHECKPOINTS: dict[str, tuple[str, paper.ModelSize]] = {
    "c-radio_v3-b": ("Rv3", "base"),
    "c-radio_v3-l": ("Rv3", "large"),
    "c-radio_v3-h": ("Rv3", "huge"),
    "radio_v2.5-b": ("Rv2.5", "base"),
    "radio_v2.5-l": ("Rv2.5", "large"),
    "radio_v2.5-h": ("Rv2.5", "huge"),
}
_RESOLUTIONS: dict[str, paper.Resolution] = {
    "low": "low",
    "mid": "mid",
    "high": "high",
    # The paper's table and its released configuration disagree about the high stride; its numbers may be of
    # either (methods spec 1.2).
    "high-released": "high",
}
_FREE = {"memory_budget"}
"""Options that do not change what is computed."""
_REFINING = {"coarse_threshold", "min_area", "iou_threshold"}
"""Options that only refinement reads."""


@dataclass(frozen=True)
class Comparison:
    """One result beside the paper's value.

    Attributes:
        row: the row of the paper; None where the paper has none like it.
        difference: ours less the paper's, in points of mIoU; None without a row.
        tolerance: points within which two runs of one method agree (methods spec 1.7).
        reasons: why the two may not be compared; empty where they may.
    """

    row: paper.Scores | None
    difference: float | None
    tolerance: float
    reasons: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """What the difference means; "not comparable" for any reason at all."""
        if self.reasons or self.difference is None:
            return "not comparable"
        if abs(round(self.difference, 2)) <= self.tolerance:
            return "agrees"
        return "above" if self.difference > 0 else "below"


def compare(result: EvalResult) -> Comparison:
    """Return the paper's value for a result and whether the two measure the same quantity."""
    row, missing = _row(result)
    reasons = (*missing, *_differences(result))
    points = tolerance(result.dataset, method_of(result))
    if row is None:
        return Comparison(None, None, points, reasons)
    difference = 100 * result.scores["miou"].value - row.of(result.dataset)
    return Comparison(row, difference, points, reasons)


def tolerance(dataset: str, method: str = "radseg") -> float:
    """Return the points of mIoU within which two runs of a method agree on a data set (methods spec 1.7)."""
    own = OTHERS[method].tolerance if method in OTHERS else None
    if own is not None:
        return own
    return 0.3 if dataset in ("voc20", "cityscapes") else 0.2


UNKNOWN = "unknown"


def method_of(result: EvalResult) -> str:
    """Return the method of a result's preset; `UNKNOWN` for a preset that is not registered here."""
    preset = PRESETS.get(result.preset)
    return UNKNOWN if preset is None else preset.method


def _row(result: EvalResult) -> tuple[paper.Scores | None, tuple[str, ...]]:
    """Return the row of the paper for this model, method and resolution, or why there is none."""
    name, method = weights_of(result), method_of(result)
    if method not in ("radseg", *OTHERS):
        unknown = f"the preset {result.preset!r} is not known here, so neither is its method"
        return None, (unknown if method == UNKNOWN else f"the paper does not compare the method {method!r}",)
    if name not in _sizes(method):
        what = "" if method == "radseg" else f" for {method}"
        return None, (f"the paper has no model {name!r}{what}",)
    if result.dataset not in paper.DATASETS:
        return None, (f"the paper has no data set {result.dataset!r}",)
    protocol = str(result.protocol.get("name"))
    resolution = _RESOLUTIONS.get(protocol.removesuffix("-patch"))
    if resolution is None:
        return None, (f"the paper has no protocol {protocol!r}",)
    try:
        table, title = _place(result, method) or ("", "")
        return paper.find(title, _sizes(method)[name], resolution, table=table), ()
    except InputError:
        return None, (f"the paper has no such method for {name} at {resolution} resolution",)


def _sizes(method: str) -> Mapping[str, paper.ModelSize]:
    """Return the checkpoints that the paper has with a method, and what it calls their size."""
    if method == "radseg":
        return {name: size for name, (_, size) in _CHECKPOINTS.items()}
    return OTHERS[method].sizes if method in OTHERS else {}


def _place(result: EvalResult, method: str) -> tuple[str, str] | None:
    """Return table and method, in the paper's words, for what was computed."""
    if method != "radseg":
        return OTHERS[method].table, OTHERS[method].name
    options, (family, _) = result.options, _CHECKPOINTS[weights_of(result)]
    single_pass = options.get("crop") is None
    parts = tuple(options.get(f"{part}_temperature") is not None for part in ("scra", "scga"))
    refine = options.get("refine", "none")
    if single_pass:
        names = {(True, True): "single pass", (True, False): "single pass, no SCGA"}
        return ("A.6", names[parts]) if family == "Rv3" and parts in names and refine == "none" else None
    if family == "Rv2.5" or parts == (False, False):
        names = {(True, True): f"{family}, + SCRA + SCGA", (False, False): f"{family}, plain"}
        return ("A.4", names[parts]) if parts in names and refine == "none" else None
    if parts == (True, False):
        return ("4", "+ SCRA") if refine == "none" else None
    return ("A.2", "RADSeg" if refine == "none" else "RADSeg+") if parts == (True, True) else None


def weights_of(result: EvalResult) -> str:
    """Return the catalogue's name of the weights, or what the result calls them."""
    known = {row.name for row in catalog.ROWS}
    named = (result.model.get("checkpoint"), result.model.get("version"))
    return next((str(name) for name in named if name in known), str(named[0]))


def _differences(result: EvalResult) -> Iterator[str]:
    """Yield every way in which a run is not the paper's."""
    known, name = protocols(result.dataset), str(result.protocol.get("name"))
    paper_like = known.get(name.removesuffix("-patch"))
    if name in known and paper_like is not None:
        yield from _changed("protocol's ", result.protocol, known[name].as_dict())
        yield from _changed("", result.options, _expected(result, paper_like))
    other = OTHERS.get(method_of(result))
    if other is not None:
        places = (result.dataset, f"{result.dataset} {name.removesuffix('-patch')}")
        yield from filter(None, (other.always, *map(other.elsewhere.get, places)))
    benchmark = BENCHMARKS.get(result.dataset)
    if benchmark is None:
        return
    if tuple(result.names) != released_names(result.dataset, benchmark.names, method_of(result)):
        yield "the classes are asked for by other names"
    if (text_dtype := result.environment.get("text_dtype", "float32")) != "float32":
        yield f"the prompts are embedded in {text_dtype}"
    if (result.images.done, result.images.total) != (benchmark.images, benchmark.images):
        listed = "" if result.images.total == benchmark.images else f", of {result.images.total} listed,"
        yield f"{result.images.done} of the official {benchmark.images} images{listed} were evaluated"
    yield from _foreign_weights(result)


def _foreign_weights(result: EvalResult) -> Iterator[str]:
    """Yield why weights may not be the published ones; a catalogue name was verified when it was fetched."""
    published = {row.name: row for row in catalog.ROWS}
    name = weights_of(result)
    pinned = published[name].sha256 if name in published else None
    if pinned is not None and result.model.get("sha256") != pinned:
        yield "the weights are not the published file"
    elif pinned is None and name in published and result.model.get("checkpoint") != name:
        yield "the weights are a file of your own, which no published digest confirms"
    for part, source in (result.model.get("given") or {}).items():
        if part != "checkpoint" and source not in published:
            yield f"{part} is a file of your own, {source}, which no published digest confirms"


def _expected(result: EvalResult, protocol: Protocol) -> dict[str, Any]:
    """Return what the options must be: the protocol's, and those of the method that the paper fixes."""
    method = method_of(result)
    if method != "radseg":
        return _expected_elsewhere(result, protocol, method)
    refining = result.options.get("refine", "none") != "none"
    radseg: dict[str, Any] = {
        "scra_recursions": 1,
        "language": None,
        "language_head": "cls",
        "refine": "reference" if refining else "none",
    }
    for part in ("scra_temperature", "scga_temperature"):
        radseg[part] = None if result.options.get(part) is None else 10.0
    fixed = protocol.options(PRESETS["radseg-b"])
    if result.options.get("crop") is None:  # Table A.6: one pass, in which there is no step
        fixed = {k: v for k, v in fixed.items() if k not in ("crop", "stride")}
    if not refining:
        fixed = {k: v for k, v in fixed.items() if k not in _REFINING}
    return fixed | radseg


def _expected_elsewhere(result: EvalResult, protocol: Protocol, method: str) -> dict[str, Any]:
    """Return what the options of another method must be: its preset's, at the protocol's resolution."""
    if method not in OTHERS or result.dataset not in paper.DATASETS:
        return {}
    preset = PRESETS[OTHERS[method].preset]
    options = preset.options.changed(preset.options.taken(protocol.options(preset)))
    free = _FREE | (_REFINING if options.refine == "none" else set())
    return {name: value for name, value in asdict(options).items() if name not in free}


def _changed(what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    for name, value in expected.items():
        if name not in ("name", "source") and found.get(name) != value:
            yield f"{what}{name} is {found.get(name)!r}, not {value!r}"
