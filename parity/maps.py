"""Compare a folder of mapping goldens, file by file."""

from collections.abc import Sequence
from pathlib import Path

from parity import map_evaluation_stages, mapping_stages
from parity.map_golden_set import MapGoldenSet
from parity.report import Row

STAGES = {**mapping_stages.STAGES, **map_evaluation_stages.STAGES}
INPUTS = frozenset({"scene", "replica_features", "replica_external_gt", "scannet_features"})
"""Files that hold inputs of other files and nothing to compare."""


def compare_maps(folder: Path, only: Sequence[str] | None = None) -> tuple[list[Row], dict[str, list[str]]]:
    """Return the rows of every file that has stages, and the files without; print rows as they come."""
    goldens = MapGoldenSet(folder)
    rows: list[Row] = []
    left_out: dict[str, list[str]] = {}
    for name in only or goldens.names:
        if name in STAGES:
            for row in STAGES[name](goldens):
                print(row, flush=True)
                rows.append(row)
        elif name not in INPUTS:
            left_out[name] = ["all"]
    return rows, left_out
