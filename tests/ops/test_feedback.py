import pytest
import torch

from oracles import semantic_feedback as oracle
from radseg.ops.feedback import UNSURE, inner_blocks, label_affinity, patch_labels
from radseg.ops.pamr import pamr, pamr_weights


@pytest.mark.parametrize("rules", ["corrected", "paper"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4), (6, 9), (3, 35)])
def test_affinity_equals_the_description_pair_by_pair(size, rules):
    labels = torch.randint(-1, 3, size)
    expected = torch.from_numpy(oracle.affinity(labels.numpy(), rules == "paper")).float()
    torch.testing.assert_close(label_affinity(labels, rules=rules), expected, rtol=1e-4, atol=1e-6)


def test_one_label_everywhere_connects_all_patches_of_a_row_of_the_window():
    affinity = label_affinity(torch.zeros(4, 4, dtype=torch.long))
    assert float(affinity.min()) > 0.5
    assert float(affinity.max()) == 1


def test_unsure_patches_belong_with_nothing_else_unless_as_published():
    labels = torch.tensor([[0, 1, 1], [UNSURE, 1, 1], [UNSURE, 1, 1]])
    corrected, paper = (label_affinity(labels, rules=rules) for rules in ("corrected", "paper"))
    assert float(corrected[3, 0]) == float(corrected[3, 6]) == 0
    assert float(paper[3, 0]) > 0.1
    assert float(paper[3, 6]) > 0.1


def test_patches_get_the_label_of_most_of_their_pixels():
    cosines = torch.randn(5, 3, 4)
    labels = patch_labels(cosines, patch=4, temperature=40.0, threshold=0.0)
    large = torch.nn.functional.interpolate(cosines[None], (12, 16), mode="bilinear")[0].argmax(0)
    for row in range(3):
        for column in range(4):
            cell = large[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].flatten().tolist()
            assert cell.count(int(labels[row, column])) == max(map(cell.count, cell))


def test_patches_without_a_probable_row_are_unsure():
    cosines = torch.zeros(4, 2, 2)
    cosines[2, 0, 0] = 1.0
    labels = patch_labels(cosines, patch=8, temperature=2.0, threshold=0.5)
    assert labels.tolist() == [[2, UNSURE], [UNSURE, UNSURE]]


def test_refinement_moves_the_labels():
    image = torch.zeros(3, 32, 32)
    image[:, :, 22:] = 1.0
    cosines = torch.zeros(2, 4, 4)
    cosines[0, :, :2], cosines[1, :, 2:] = 1.0, 1.0
    weights = pamr_weights(image)
    choose = {"patch": 8, "temperature": 40.0, "threshold": 0.0}
    plain = patch_labels(cosines, **choose)
    fine = patch_labels(cosines, **choose, refine=lambda maps: pamr(maps, weights))
    assert plain[:, 2].tolist() == [1, 1, 1, 1]
    assert fine[:, 2].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(12, (6, 7, 8, 9)), (24, tuple(range(12, 19))), (5, (2, 3, 4)), (2, (1,)), (1, (1,))],
)
def test_inner_blocks_lie_as_deep_as_in_the_paper(depth, blocks):
    assert inner_blocks(depth) == blocks
