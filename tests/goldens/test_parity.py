"""The reference's numbers, stage by stage; a failure names the stage. Base-size cases take half a minute."""

import json

import numpy as np
import pytest
from parity.__main__ import compare_case, seeded_loader
from parity.golden_set import GoldenSet, allowed_mismatches, tolerance
from parity.report import compare, uncovered

from radseg.models.radio import load_radio

TINY = [
    "u_radio_forward", "u_layers", "u_pos", "u_scra", "u_scga", "u_text", "t_land_336_224",
    "t_port_336_112", "t_small", "t_below_crop", "t_low_224_112", "t_nowin_feat", "t_langspace",
    "t_prompts", "t_external_norm", "u_mmseg", "u_miou",
]  # fmt: skip
BASE = ["b_land"]


@pytest.fixture(scope="module")
def goldens(shared):
    return GoldenSet(shared / "golden/2d")


@pytest.fixture(scope="module")
def load(goldens, tmp_path_factory):
    return seeded_loader(goldens, tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("name", [*TINY, *(pytest.param(n, marks=pytest.mark.slow) for n in BASE)])
def test_every_stage_equals_the_reference(goldens, load, name):
    case = goldens.case(name)
    rows = list(compare_case(goldens, case, load))
    assert not [str(row) for row in rows if not row.ok]
    assert not list(uncovered(case, rows)), "a golden stage was not compared"


def test_both_checkpoint_layouts_give_the_same_network(goldens, tmp_path):
    published = goldens.folder / "radio_tiny_half.pth.tar", goldens.folder / "radio_tiny_hf"
    one, other = (load_radio(path, adaptors=("sam",)).state_dict() for path in published)
    assert one.keys() == other.keys()
    assert all((one[key] == other[key]).all() for key in one)


def test_an_error_just_beyond_the_tolerance_fails_and_one_within_passes(goldens):
    case = goldens.case("u_scga")
    stage, golden = next(iter(case.arrays.items()))
    allowed = tolerance(case.facts[stage])
    within, beyond = golden.astype(np.float64), golden.astype(np.float64)
    within[0, 0, 0, 0] += 0.9 * allowed
    beyond[0, 0, 0, 0] += 1.1 * allowed
    assert compare(case, stage, within).ok
    assert not compare(case, stage, beyond).ok
    beyond[0, 0, 0, 0] = np.nan
    assert not compare(case, stage, beyond).ok


def test_an_array_of_another_shape_is_refused(goldens):
    case = goldens.case("u_scga")
    stage, golden = next(iter(case.arrays.items()))
    with pytest.raises(ValueError, match="shape"):
        compare(case, stage, golden[:, :-1])


def test_integer_stages_count_entries():
    facts = {"noise_mismatch": 1, "stored_shape": [10, 10]}
    assert allowed_mismatches(facts) == 3
    assert allowed_mismatches(facts | {"stored_shape": [100, 100]}) == 15


def test_another_folder_of_the_format_is_read_from_its_own_manifest(goldens, tmp_path):
    """Weights, seeds and images come from the folder, none from here."""
    manifest = json.loads((goldens.folder / "manifest.json").read_text())
    case = manifest["cases"]["u_scra"]
    manifest["cases"] = {"renamed": case}
    case["params"]["weights_seed"] = "another"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for name in ("u_scra__0.npz", "keys_tiny.json"):
        (tmp_path / name).write_bytes((goldens.folder / name).read_bytes())
    other = GoldenSet(tmp_path)
    rows = list(compare_case(other, other.case("renamed"), seeded_loader(other, tmp_path)))
    assert rows
    assert not any(row.ok for row in rows), "the other seed must give other numbers"
