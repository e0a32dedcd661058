"""Compare a folder of goldens of the published methods, case by case."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from parity.method_stages import stages_of
from parity.methods_golden_set import MethodCase, MethodsGoldenSet, compare_output
from parity.report import Row

NO_PRESET = {"neighbours_only_": "an ablation of NACLIP's code that no preset here has (manifest: quirks)"}
"""Outputs left out on purpose, by the beginning of their names, and why."""


@torch.inference_mode()
def compare_method(case: MethodCase) -> Iterator[Row]:
    """Yield one row per stage of a case."""
    stages = stages_of(case)
    if stages is not None:
        for stage, ours in stages(case):
            if stage in case.outputs:
                yield compare_output(case, stage, ours)


def left_out_of(case: MethodCase, rows: Sequence[Row]) -> tuple[list[str], dict[str, str]]:
    """Return the outputs that were not compared: those without a reason, and the reasons of the others."""
    seen = {row.stage for row in rows}
    missing = [stage for stage in case.outputs if stage not in seen]
    reasons = {s: why for s in missing for start, why in NO_PRESET.items() if s.startswith(start)}
    return [stage for stage in missing if stage not in reasons], reasons


def compare_methods(
    folder: Path, only: Sequence[str] | None = None
) -> tuple[list[Row], dict[str, list[str]], dict[str, dict[str, str]]]:
    """Return the rows of every case, what was not compared, and what is left out for a stated reason."""
    goldens = MethodsGoldenSet(folder)
    rows: list[Row] = []
    missing: dict[str, list[str]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for name in only or goldens.names:
        case = goldens.case(name)
        own = list(compare_method(case))
        for row in own:
            print(row, flush=True)
        rows += own
        left, why = left_out_of(case, own)
        missing |= {name: left} if left else {}
        reasons |= {name: why} if why else {}
    return rows, missing, reasons
