"""Read a golden folder of the methods: every case brings its weights, inputs and the published outputs.

The manifest says per array what may differ; nothing about one particular set is built in.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.golden_set import Array
from parity.report import Row

Stages = Iterator[tuple[str, Any]]


def is_methods_folder(folder: Path) -> bool:
    """Return whether `folder` holds goldens of the published methods."""
    cases = json.loads((folder / "manifest.json").read_text()).get("cases", {})
    return bool(cases) and all("method" in entry for entry in cases.values())


@dataclass(frozen=True, eq=False)
class MethodCase:
    """One case: what the published code got, what it gave, and what the manifest says of it."""

    name: str
    inputs: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    outputs: Mapping[str, Array]
    params: Mapping[str, Any]
    entry: Mapping[str, Any]

    def weights_of(self, part: str) -> dict[str, Tensor]:
        """Return the weights below `part`, under their names without it: "clip", "language_head"."""
        cut = len(part) + 1
        return {k[cut:]: v for k, v in self.weights.items() if re.match(rf"{re.escape(part)}[/.]", k)}

    def numbered(self, name: str) -> list[Tensor]:
        """Return the inputs NAME_0, NAME_1 and so on."""
        found = [key for key in self.inputs if re.fullmatch(rf"{name}_\d+", key)]
        return [self.inputs[f"{name}_{i}"] for i in range(len(found))]

    def tolerance(self, stage: str) -> Any:
        """Return what the manifest allows for an output: a number, "equal", or a dictionary."""
        for pattern, allowed in self.entry["tolerance"]["per_array"].items():
            if re.fullmatch(pattern, f"out/{stage}"):
                return allowed
        return self.entry["tolerance"]["relative"]

    def source_of(self, stage: str) -> Mapping[str, Any]:
        """Return the published code that gave an output: repository, commit, function."""
        sources: list[Mapping[str, Any]] = self.entry["sources"]
        patterns = ((s, p.replace("*", ".*")) for s in sources for p in s["gives"])
        return next((s for s, p in patterns if re.fullmatch(p, f"out/{stage}")), sources[0])


@dataclass(frozen=True)
class MethodsGoldenSet:
    """A folder of goldens of the published methods."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The parsed manifest."""
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        if manifest.get("version") != 1:
            raise ValueError(f"{self.folder}: version {manifest.get('version')!r}; this code reads 1")
        return manifest

    @property
    def names(self) -> tuple[str, ...]:
        """Every case of the set."""
        return tuple(self.manifest["cases"])

    def case(self, name: str) -> MethodCase:
        """Return one case with its arrays."""
        entry = self.manifest["cases"][name]
        parts: dict[str, dict[str, Array]] = {"in": {}, "w": {}, "out": {}}
        with np.load(self.folder / entry["file"]) as stored:
            params = json.loads(str(stored["params"]))
            for key in stored.files:
                part, _, rest = key.partition("/")
                if part in parts:
                    parts[part][rest] = stored[key]
        inputs, weights = (
            {k: torch.from_numpy(a.copy()) for k, a in parts[part].items()} for part in ("in", "w")
        )
        return MethodCase(name, inputs, weights, parts["out"], params, entry)


def compare_output(case: MethodCase, stage: str, ours: Any) -> Row:
    """Return how far our array is from the published one, in the manifest's own measure."""
    golden = case.outputs[stage]
    ours = ours.detach().cpu().numpy() if isinstance(ours, Tensor) else np.asarray(ours)
    allowed = case.tolerance(stage)
    if isinstance(allowed, dict) and "relative" in allowed:
        allowed = allowed.get("relative_if_affinity_is_rounded_to_float16", allowed["relative"])
    if ours.shape != golden.shape:
        return Row(case.name, stage, np.inf, 0, integer=False)
    # A pattern for float arrays may also fit one of yes and no: that one is exact.
    if allowed == "equal" or (golden.dtype == bool and not isinstance(allowed, dict)):
        return Row(case.name, stage, float((ours != golden).sum()), 0, integer=True)
    if isinstance(allowed, dict):
        return _counted(case, stage, ours != golden, allowed)
    return Row(
        case.name, stage, relative_difference(ours, golden), float(allowed), integer=False, measure="rel"
    )


def _counted(case: MethodCase, stage: str, differ: Array, allowed: Mapping[str, Any]) -> Row:
    """Return how many labels differ, where the manifest says how many may, or where they must not."""
    if "share_that_may_differ" in allowed:
        limit = float(allowed["share_that_may_differ"]) * differ.size
        return Row(case.name, stage, float(differ.sum()), limit, integer=True)
    margin = float(allowed["equal_where_two_best_differ_by_more_than"])
    # "of" names the array as it is stored, a digit of the pattern's group put in.
    pattern = next(p for p in case.entry["tolerance"]["per_array"] if re.fullmatch(p, f"out/{stage}"))
    match = re.fullmatch(pattern, f"out/{stage}")
    assert match
    values = case.outputs[match.expand(allowed["of"]).removeprefix("out/")]
    best = np.sort(values.astype(np.float64), axis=0)
    clear = best[-1] - best[-2] > margin
    return Row(case.name, stage, float((differ & clear).sum()), 0, integer=True)


def relative_difference(ours: Array, golden: Array) -> float:
    """Return the largest absolute difference over the largest absolute golden value; NaN must meet NaN."""
    ours, golden = ours.astype(np.float64), golden.astype(np.float64)
    if (np.isnan(ours) != np.isnan(golden)).any():
        return float("inf")
    worst = np.nan_to_num(np.abs(ours - golden), nan=0.0).max(initial=0)
    return float(worst / max(np.nan_to_num(np.abs(golden)).max(initial=0), 1e-30))
