"""Worst error per case and stage against the manifest's tolerance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity.golden_set import Array, Case, allowed_mismatches, tolerance

# The peak of a region is not defined where several pixels tie; the manifest says to compare the others.
TIED_POINTS = ("region_point", "prompt_points")

INPUTS = {"miou": ("pred", "label")}
"""Arrays of a case's kind that go in, and so cannot be compared."""


@dataclass(frozen=True)
class Row:
    """One compared stage."""

    case: str
    stage: str
    worst: float  # largest absolute error, or number of entries that differ
    allowed: float
    integer: bool
    measure: str = "abs"  # of a float array: "abs", or "rel" to the largest golden value

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.worst <= self.allowed

    def __str__(self) -> str:
        verdict = "ok  " if self.ok else "FAIL"
        unit = "differ" if self.integer else self.measure.ljust(6)
        error = f"{self.worst:11.3g} {unit} of {self.allowed:9.3g} allowed"
        return f"{verdict}  {self.case:18} {self.stage:22} {error}"


def compare(case: Case, stage: str, full: Array) -> Row:
    """Return how far our `full` array is from the stored part of the golden one."""
    ours, golden = case.stored_part(stage, full), case.arrays[stage]
    facts = case.facts[stage]
    if stage == "sam_mask_area":  # manifest: within 0.5 %
        relative = np.abs(ours.astype(np.float64) - golden) / np.maximum(golden, 1)
        return Row(case.name, stage, float(relative.max(initial=0)), 0.005, integer=False)
    if stage in TIED_POINTS and "region_point_ties" in case.arrays:
        clear = case.arrays["region_point_ties"] == 1
        ours, golden = ours[clear], golden[clear]
    if np.issubdtype(golden.dtype, np.integer):
        return Row(case.name, stage, float((ours != golden).sum()), allowed_mismatches(facts), integer=True)
    worst = float(np.abs(ours.astype(np.float64) - golden).max(initial=0))
    # A NaN compares as larger than any tolerance.
    return Row(case.name, stage, np.inf if np.isnan(worst) else worst, tolerance(facts), integer=False)


def uncovered(case: Case, rows: list[Row]) -> Iterator[str]:
    """Yield the stages of a case that were not compared."""
    seen = {row.stage for row in rows} | set(INPUTS.get(case.kind, ()))
    yield from (stage for stage in case.arrays if stage not in seen)
