"""Guard rails: the shipped miniature on a few unseen rooms. Thresholds lie well under what was measured."""

import numpy as np
import pytest
import torch
from training.miniature.calibrate import Evidence, calibrate, losses
from training.miniature.evaluate import (
    METHODS,
    REFINED,
    auroc,
    pooled_counts,
    pooled_interval,
    presence_scores,
    questions,
    room_boundary_ious,
    room_ious,
    segmentation_scores,
    segmenter,
)

from radseg.evaluation.images.rooms import world_names
from radseg.io import to_rgb
from radseg.miniature import CROP, load_decoder, load_parts
from radseg.miniature.store import DATA
from radseg.models.alignment import cls_patch_map, middle_window

ROOMS = range(5000, 5004)


@pytest.fixture(scope="module")
def parts():
    return load_parts()


@pytest.fixture(scope="module")
def asked():
    return list(questions(ROOMS))


def mean_iou(parts, asked, name):
    segment = segmenter(*parts, name)
    labels = [segment.segment(q.view.rgb, q.asked, mode="assign").labels for q in asked]
    return np.mean([room_ious(q, found).mean() for q, found in zip(asked, labels, strict=True)])


def test_unseen_rooms_are_segmented(parts, asked):
    assert mean_iou(parts, asked, "radseg") > 0.50


def test_refinement_sharpens_the_masks(parts, asked):
    plain, refined = segmenter(*parts), segmenter(*parts, REFINED, load_decoder())
    gains = []
    for q in asked:
        before, after = (
            room_boundary_ious(q, s.segment(q.view.rgb, q.asked, mode="assign").labels).mean()
            for s in (plain, refined)
        )
        gains.append(after - before)
    assert np.mean(gains) > 0.005


def test_the_boundary_of_a_perfect_answer_agrees(asked):
    question = asked[0]
    assert (room_boundary_ious(question, np.maximum(question.truth, 0) + 1) == 1).all()
    shifted = np.roll(np.maximum(question.truth, 0) + 1, 5, axis=1)
    assert room_boundary_ious(question, shifted).mean() < 0.7


def test_pixels_of_no_asked_name_are_not_judged(asked):
    """Whatever the answer is there, its rims are nobody's."""
    question = next(one for one in asked if (one.truth < 0).any())
    answer = np.maximum(question.truth, 0) + 1
    wrong = np.where((question.truth < 0) & (np.indices(answer.shape).sum(0) % 2 == 0), 2, answer)
    assert (room_boundary_ious(question, wrong) == 1).all()


def test_every_method_is_scored_on_all_seen_and_held_out_names(parts, asked):
    scores = segmentation_scores(*parts, asked[:1], load_decoder())
    for name in (*METHODS, REFINED):
        mean, low, high = scores[name]
        assert 0 <= low <= mean <= high <= 1
    assert {"radseg, seen names", "radseg, held out names"} <= set(scores)


def test_calibration_puts_the_border_between_right_and_wrong(parts):
    tower = parts[1]
    red, blue = tower.embed(["red ball", "blue ball"]).clone()
    evidence = Evidence(red[None], (red @ red)[None], (red @ blue)[None, None])
    before, after = tower.vectors[0], calibrate(tower, evidence)
    assert float(sum(losses(after, evidence))) < float(sum(losses(before, evidence)))
    border = float(torch.nn.functional.normalize(after, dim=0) @ red)
    assert float(red @ blue) < border < 1


def test_names_of_the_room_are_found_against_the_contrast_bank(parts, asked):
    scores = presence_scores(*parts, asked[:3])
    assert scores["right area, mode background"] > 0.5
    assert scores["false area of absent names"] < 0.2
    assert scores["presence AUROC"] > 0.75


def test_cls_and_patches_point_the_same_way(parts, asked):
    found = cls_patch_map(parts[0], middle_window(to_rgb(asked[0].view.rgb), CROP))
    assert found.shape == (10, 10)
    assert 0.4 < float(found.mean()) <= 1


def test_the_shipped_files_stay_under_12_megabytes():
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 12e6


def test_auroc_of_separated_scores_is_one_and_of_equal_scores_a_half():
    assert auroc(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 1
    assert auroc(np.ones(3), np.ones(5)) == 0.5


def test_a_perfect_answer_has_iou_one_and_none_has_zero(asked):
    question = asked[0]
    perfect = np.maximum(question.truth, 0) + 1
    assert (room_ious(question, perfect) == 1).all()
    assert (room_ious(question, np.zeros_like(perfect)) == 0).all()


def test_pooled_a_speck_of_a_name_that_is_nowhere_true_counts_as_a_whole_name(asked):
    names = world_names()
    answers = [1 + np.array([names.index(n) for n in q.view.names])[q.view.semantic] for q in asked]
    perfect = np.stack([pooled_counts(q, found) for q, found in zip(asked, answers, strict=True)])
    assert pooled_interval(perfect) == (1, 1, 1)
    true = {name for q in asked for name in q.view.shares()}
    absent = 1 + next(i for i, name in enumerate(names) if name not in true)
    answers[0].flat[0] = absent
    specked = np.concatenate([pooled_counts(asked[0], answers[0])[None], perfect[1:]])
    assert pooled_interval(specked).value == pytest.approx(len(true) / (len(true) + 1), abs=1e-3)
    assert pooled_interval(specked, perfect).value == pytest.approx(-1 / (len(true) + 1), abs=1e-3)
