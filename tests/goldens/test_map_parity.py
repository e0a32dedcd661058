"""The mapping goldens: every stage within the manifest's own tolerance."""

import shutil

import numpy as np
import pytest
from parity.map_golden_set import MapGoldenSet, is_map_folder, near, same
from parity.mapping_stages import STAGES


@pytest.fixture(scope="module")
def goldens(shared):
    return MapGoldenSet(shared / "golden/3d")


@pytest.mark.parametrize("name", STAGES)
def test_every_map_stage_equals_the_reference(goldens, name):
    rows = list(STAGES[name](goldens))
    assert rows
    assert not [str(row) for row in rows if not row.ok]


def test_a_shifted_golden_fails(goldens, tmp_path):
    for name in ("manifest.json", "scene.npz", "map_feature.npz"):
        shutil.copy(goldens.folder / name, tmp_path / name)
    arrays = goldens.arrays("map_feature")
    arrays["feat"][5, 2] += 3e-4
    arrays["count"][7] += 4
    (tmp_path / "map_feature.npz").unlink()
    np.savez(tmp_path / "map_feature.npz", **arrays)
    rows = {row.stage: row.ok for row in STAGES["map_feature"](MapGoldenSet(tmp_path))}
    assert rows == {"ijk": True, "count": True, "rgb": True, "feat": False}  # 3 of 3224 counts may differ


def test_both_kinds_of_folders_are_told_apart(shared):
    assert is_map_folder(shared / "golden/3d")
    assert not is_map_folder(shared / "golden/2d")


def test_other_shapes_and_nan_are_never_near():
    assert not near("c", "s", [1.0, np.nan], [1.0, 2.0], 10).ok
    assert not near("c", "s", [1.0], [1.0, 2.0], 10).ok
    assert near("c", "s", [np.nan, np.inf], [np.nan, np.inf], 0).ok
    assert not same("c", "s", [1], [1, 2]).ok
