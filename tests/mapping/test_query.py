"""Words asked of a map: what is there is found where it is, what is not there is not found."""

import numpy as np
import pytest
import torch

from query_builders import BLOCKS, SIDE, memory_map, words
from radseg.errors import InputError, VocabularyError
from radseg.mapping.aligned import aligned_parts
from radseg.mapping.description import MapDescription
from radseg.mapping.query import ask, ask_probabilities
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.cosine import point_cosine, unit_points
from radseg.ops.voxels import VoxelSums, pack


def answer(names, mode="background", semantic_map=None, align=None, **options):
    text, contrast = words(*names)
    semantic_map = semantic_map or memory_map()
    parts = aligned_parts(semantic_map, align)
    return ask(parts, text, contrast, mode=mode, voxel_size=semantic_map.voxel_size, **options)


@pytest.mark.parametrize("mode", ["background", "independent"])
def test_an_object_is_found_in_its_place(mode):
    found = answer(["red ball", "blue ball"], mode).objects()
    assert [len(objects) for objects in found.values()] == [1, 1]
    middle = [(c + (SIDE - 1) / 2) * 0.05 for c in BLOCKS["blue"]]
    assert found["blue ball"][0].centroid == pytest.approx(middle)
    assert found["blue ball"][0].voxels == SIDE**3


@pytest.mark.parametrize("mode", ["background", "independent"])
def test_an_absent_object_is_not_found_but_has_a_best_score(mode):
    found = answer(["purple door"], mode)
    assert found.objects() == {"purple door": ()}
    best, place = found.best_voxel("purple door")
    assert 0 <= best < 0.5
    assert len(place) == 3


def test_assign_gives_every_voxel_a_name_and_needs_two():
    assert set(answer(["red", "purple"], "assign").labels.tolist()) <= {1, 2}
    assert 0 not in answer(["red", "purple"], "assign").labels
    with pytest.raises(VocabularyError, match="gives it every voxel"):
        answer(["red"], "assign")


def test_other_modes_need_the_bank():
    text, _ = words("red")
    with pytest.raises(VocabularyError, match="contrast bank"):
        ask(aligned_parts(memory_map(), None), text, None, mode="background", voxel_size=0.05)


def test_alignment_is_applied_to_the_averages():
    nothing = answer(["red"], align=lambda values: values * (torch.arange(126) == 125))  # "anything" alone
    assert nothing.objects() == {"red": ()}


def test_a_voxel_without_direction_gets_no_name_and_no_nan():
    found = answer(["red"], semantic_map=memory_map(zero=True))
    assert np.isfinite(found.scores).all()
    assert found.objects()["red"][0].voxels == SIDE**3 - 1


def test_synonyms_count_as_their_best():
    one = answer([["purple", "blue"], "red"])
    other = answer(["blue", "red"])
    assert np.array_equal(one.labels, other.labels)


def test_the_answer_does_not_depend_on_the_chunks():
    text, contrast = words("red", "blue")
    parts = list(aligned_parts(memory_map(), None))
    split = [type(p)(k, f) for p in parts for k, f in zip(p.keys.split(7), p.features.split(7), strict=True)]
    one, other = (ask(p, text, contrast, mode="background", voxel_size=0.05) for p in (parts, split))
    assert np.array_equal(one.keys, other.keys)
    assert np.allclose(one.scores, other.scores, atol=1e-6)


def test_an_empty_map_is_refused():
    text, contrast = words("red")
    with pytest.raises(InputError, match="no voxels"):
        ask([], text, contrast, mode="background", voxel_size=0.05)


@pytest.mark.parametrize("rows", [1, 511, 512, 1300])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_cosines_are_products_of_unit_points(rows, dtype):
    features = unit_points(torch.randn(rows, 40)).to(dtype)
    text = torch.randn(5, 40)
    wanted = features.double() @ (text / text.norm(dim=1, keepdim=True)).double().T
    assert torch.allclose(point_cosine(features, text).double(), wanted.T, atol=1e-6)


def test_unit_points_have_length_1_or_0():
    rows = unit_points(torch.tensor([[3.0, 4.0], [0.0, 0.0], [torch.nan, 0.0]]))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 0]]


def probability_map():
    voxels = VoxelMap(MapDescription(0.1, "probabilities", 3, names=("wall", "mug", "sky")))
    keys = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(2))
    values = torch.tensor([[0.7, 0.3, 0.0]] * 4 + [[0.1, 0.6, 0.0]] * 3 + [[0.0, 0.0, 0.0]])
    packed = pack(keys)
    voxels.add(VoxelSums(packed, torch.ones_like(packed), values, torch.zeros(8, 3)))
    return voxels.to_semantic_map()


def test_maps_of_probabilities_answer_their_own_names_only():
    found = ask_probabilities(probability_map(), ("mug", "wall"), mode="assign")
    assert found.labels.tolist() == [2, 2, 2, 2, 1, 1, 1, 0]
    assert found.scores[0].tolist() == pytest.approx([0.3] * 4 + [0.6] * 3 + [0.0], abs=1e-3)
    alone = ask_probabilities(probability_map(), ("mug",), mode="background")
    assert alone.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 0]
    with pytest.raises(VocabularyError, match="knows no 'cup'; it knows wall, mug, sky"):
        ask_probabilities(probability_map(), ("cup",), mode="assign")


def test_independent_names_may_share_a_voxel():
    found = ask_probabilities(probability_map(), ("mug", "wall"), mode="independent", threshold=0.25)
    assert found.objects(min_size=0)["mug"][0].voxels == 7
    assert found.objects(min_size=0)["wall"][0].voxels == 4
