"""The mapping goldens after the map: truth, predictions, metrics, queries, end to end."""

import shutil

import numpy as np
import pytest
from parity.map_evaluation_stages import STAGES
from parity.map_golden_set import MapGoldenSet


@pytest.fixture(scope="module")
def goldens(shared):
    return MapGoldenSet(shared / "golden/3d")


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_after_the_map_equals_the_reference(goldens, name):
    rows = list(STAGES[name](goldens))
    assert rows
    assert not [str(row) for row in rows if not row.ok]


@pytest.mark.parametrize(
    ("name", "field", "stage"),
    [
        ("gt_external", "label", "label"),
        ("metric_knn5_ext", "aligned", "aligned (lattice)"),
        ("predict_soft", "pred_chunk37", "pred_chunk37"),
    ],
)
def test_a_changed_golden_fails(goldens, tmp_path, name, field, stage):
    for file in ("manifest.json", "scene.npz", f"{name}.npz"):
        shutil.copy(goldens.folder / file, tmp_path / file)
    arrays = goldens.arrays(name)
    arrays[field] = (arrays[field] + 1) % 12
    (tmp_path / f"{name}.npz").unlink()
    np.savez(tmp_path / f"{name}.npz", **arrays)
    rows = {row.stage: row.ok for row in STAGES[name](MapGoldenSet(tmp_path))}
    assert not rows[stage]
    assert any(rows.values())
