"""SAM's parts and the published rules against the reference's numbers, stage by stage."""

import pytest
from parity.__main__ import seeded_loader
from parity.golden_set import GoldenSet
from parity.refine_stages import parity_stages
from parity.report import compare


@pytest.fixture(scope="module")
def goldens(shared):
    return GoldenSet(shared / "golden" / "2d")


def off(case, stages):
    assert stages
    return [str(row) for name, full in stages.items() if not (row := compare(case, name, full)).ok]


def test_prompt_encoder_and_decoder(goldens):
    case = goldens.case("u_sam")
    stages = parity_stages(goldens, case)
    assert set(stages) == set(case.arrays)
    assert off(case, stages) == []


# The quick cases: no coarse threshold, and everything refused. The other ones: `make parity`.
@pytest.mark.parametrize("name", ["t_sam_coarse0", "t_sam_allfail"])
def test_refinement_from_the_golden_maps(goldens, tmp_path, name):
    case = goldens.case(name)
    radio = seeded_loader(goldens, tmp_path)("tiny", case.params["weights_seed"])
    stages = parity_stages(goldens, case, radio)
    upstream = set(list(case.arrays)[: list(case.arrays).index("out_probs")])
    assert set(stages) == set(case.arrays) - upstream
    assert off(case, stages) == []
