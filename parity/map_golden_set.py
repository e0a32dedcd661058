"""Read a golden folder of the mapping kind: the manifest lists npz files and says tolerances in words."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.golden_set import Array
from parity.report import Row


def is_map_folder(folder: Path) -> bool:
    """Return whether `folder` holds mapping goldens rather than cases of the segmenter."""
    return "files" in json.loads((folder / "manifest.json").read_text())


@dataclass(frozen=True)
class MapGoldenSet:
    """A folder of mapping goldens."""

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
        """Every npz file of the set, without its suffix; tables belong to the npz file of the same name."""
        return tuple(name.removesuffix(".npz") for name in self.manifest["files"] if name.endswith(".npz"))

    def __contains__(self, name: str) -> bool:
        return f"{name}.npz" in self.manifest["files"]

    def arrays(self, name: str) -> dict[str, Array]:
        """Return the arrays of one file."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return {key: stored[key] for key in stored.files}

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """Return the numeric arrays of one file as tensors."""
        arrays = self.arrays(name)
        return {key: torch.from_numpy(a) for key, a in arrays.items() if a.dtype.kind in "fiub"}

    def tolerance(self, subject: str, pattern: str = r"abs ([\d.e-]+)") -> float:
        """Return the number that `pattern` finds in the manifest's sentence on `subject`."""
        return _number(pattern, self.manifest["tolerances"][subject])

    def noted(self, name: str, pattern: str) -> float:
        """Return the number that `pattern` finds in the description of one file."""
        return _number(pattern, self.manifest["files"][f"{name}.npz"]["description"])


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"no number like {pattern!r} in {text!r}")
    return float(match[1].rstrip("."))


def near(case: str, stage: str, ours: Any, golden: Any, allowed: float) -> Row:
    """Return the largest absolute error; another shape, or NaN where the other has none, is infinite."""
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    if ours.shape != golden.shape or (np.isnan(ours) != np.isnan(golden)).any():
        return Row(case, stage, np.inf, allowed, integer=False)
    with np.errstate(invalid="ignore"):
        error = np.where(ours == golden, 0, np.abs(ours - golden))  # equal infinities have no difference
    worst = float(np.nan_to_num(error, nan=0.0, posinf=np.inf).max(initial=0))
    return Row(case, stage, worst, allowed, integer=False)


def same(case: str, stage: str, ours: Any, golden: Any, allowed: float = 0) -> Row:
    """Return how many entries differ; another shape counts every entry."""
    ours, golden = np.asarray(ours), np.asarray(golden)
    if ours.shape != golden.shape:
        return Row(case, stage, float(max(ours.size, golden.size, 1)), allowed, integer=True)
    nan = ours.dtype.kind == "f" and golden.dtype.kind == "f"
    equal = np.isclose(ours, golden, rtol=0, atol=0, equal_nan=True) if nan else ours == golden
    return Row(case, stage, float((~equal).sum()), allowed, integer=True)
