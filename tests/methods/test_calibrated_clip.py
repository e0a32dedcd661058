"""ResCLIP and SC-CLIP: against their formulas, their reductions, and what every method must keep."""

import copy
from dataclasses import astuple, replace

import pytest
import torch

from oracles import last_block, self_calibration
from oracles.pamr import refine as pamr_oracle
from oracles.semantic_feedback import pixel_votes, upsampled
from radseg.errors import InputError
from radseg.methods.naclip import NACLIP
from radseg.methods.resclip import ResCLIP
from radseg.methods.scclip import SCCLIP, Layers, like_average
from radseg.ops.cosine import row_cosine
from radseg.ops.feedback import Residuals
from radseg.ops.outliers import correct_outliers, find_outliers, outlier_scores
from radseg.types import Size, TextEmbeddings
from tower_builders import tiny_clip

CLIP = tiny_clip(depth=5)
DOUBLE = copy.deepcopy(CLIP).double()
SLIDING = {"crop": 96, "stride": 48}
TEXT = TextEmbeddings(
    ("a", "b", "c"), torch.randn(3, 20, generator=torch.Generator().manual_seed(2)), (0, 1, 2), CLIP.space
)
CROP = torch.rand(1, 3, 64, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def outputs_of(clip, crop):
    """x_0 … x_{L-1} as numpy, and the blocks' weights."""
    outputs = [tokens[0].numpy() for tokens in clip.vit.walk(clip.pixels(crop))]
    return outputs, [last_block.weights_of(block) | {"eps": 1e-5} for block in clip.vit.blocks]


def same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("rules", "iterations"), [("corrected", 0), ("paper", 2)])
def test_resclip_equals_its_formulas(rules, iterations):
    outputs, blocks = outputs_of(DOUBLE, CROP)
    numbers, rows = Residuals(0.4, 2.0, 0.3, 2.1, 0.7), TEXT.values.double()
    method = ResCLIP(
        DOUBLE, residuals=numbers, inner=(2, 3), rules=rules, pamr_iterations=iterations, temperature=40.0
    )

    def label(tokens):
        features = DOUBLE.to_language(torch.from_numpy(tokens[1:])).mT.unflatten(1, (4, 5))
        large = upsampled(row_cosine(features, rows).double().numpy(), 16)
        return pixel_votes(
            pamr_oracle(CROP[0].numpy(), large, (8, 16), iterations), 16, 40.0, 0.4, rules == "paper"
        )

    bias = last_block.neighbours(4, 5, 1, 5.0)
    how = {"label": label, "prefix": 1, "paper": rules == "paper", "tail": "reduced"}
    used = [outputs[1], outputs[2], outputs[4]], [blocks[1], blocks[2], blocks[4]]
    expected = last_block.residual(*used, 2, bias, astuple(numbers), **how)
    language = DOUBLE.to_language(torch.from_numpy(expected[1:]))
    same(method.window(CROP, rows)[0].double(), torch.nn.functional.normalize(language, dim=1))


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_scclip_equals_its_formulas(share):
    outputs, blocks = outputs_of(DOUBLE, CROP)
    ours = SCCLIP(DOUBLE, layers=Layers(3, 2, (2, 3)), neighbours=4, outlier_share=share).window(CROP)[0]
    expected = self_calibration.window(
        dict(enumerate(outputs)), blocks[-1], 2, (4, 5), (3, 2, (2, 3)), k=4, share=share
    )
    same(ours, DOUBLE.to_language(torch.from_numpy(expected)))


def test_scclip_as_published_takes_the_mean_over_all_windows_of_an_image():
    noise = torch.rand(3, 64, 80, dtype=torch.float64)
    image = torch.cat([noise / 20 + 0.5, noise], dim=2)  # two windows that are not alike
    corrected = SCCLIP(DOUBLE, layers=Layers(3, 2, (2, 3)), neighbours=4, crop=80, stride=80)
    paper = replace(corrected, mean_over="image")
    seen = [outputs_of(DOUBLE, image[None, :, :, a : a + 80]) for a in (0, 80)]
    means = [
        self_calibration.cosine(self_calibration.guide(dict(enumerate(o)), (4, 5), 3, 4, 0.05)).mean()
        for o, _ in seen
    ]
    assert abs(means[0] - means[1]) > 1e-3
    how = {"k": 4, "share": 0.05, "mean": sum(means) / 2}
    expected = [
        self_calibration.window(dict(enumerate(o)), blocks[-1], 2, (4, 5), (3, 2, (2, 3)), **how)
        for o, blocks in seen
    ]
    halves = [
        torch.nn.functional.normalize(DOUBLE.to_language(torch.from_numpy(one)), dim=1).mT.unflatten(
            1, (4, 5)
        )
        for one in expected
    ]
    found = paper.encode([image])[0].values
    same(found.double(), torch.cat(halves, dim=2))
    assert (found - corrected.encode([image])[0].values).abs().max() > 1e-3


def test_resclip_without_residuals_is_naclip():
    plain = Residuals(gain=1.0, share=0.0, feedback_gain=1.0, feedback_share=0.0)
    image = torch.rand(3, 120, 150)
    ours = ResCLIP(CLIP, **SLIDING, residuals=plain, pamr_iterations=0).score([image], TEXT)[0]
    same(ours, row_cosine(NACLIP(CLIP, **SLIDING).encode([image])[0].values, TEXT.values))


def test_one_token_far_from_all_others_is_the_outlier_and_is_replaced_by_its_neighbours():
    tokens = torch.randn(1, 20, 6) * 0.1 + 1
    tokens[0, 7] = 30.0
    found = find_outliers(tokens, neighbours=5)
    assert found[0].nonzero().flatten().tolist() == [7]
    corrected = correct_outliers(tokens, found, Size(4, 5))
    around = tokens[0, [1, 2, 3, 6, 8, 11, 12, 13]].mean(0)
    torch.testing.assert_close(corrected[0, 7], around)
    assert torch.equal(corrected[0, :7], tokens[0, :7])


def test_outlier_scores_equal_the_textbooks_steps():
    tokens = torch.randn(24, 5)
    expected = torch.from_numpy(self_calibration.outlier_scores(tokens.double().numpy(), 6)).float()
    torch.testing.assert_close(outlier_scores(tokens, neighbours=6), expected, rtol=1e-4, atol=1e-5)


def test_an_outlier_among_outliers_stays():
    tokens = torch.randn(1, 9, 4)
    assert torch.equal(correct_outliers(tokens, torch.ones(1, 9, dtype=torch.bool), Size(3, 3)), tokens)


def test_equal_tokens_have_no_outliers():
    assert torch.equal(outlier_scores(torch.ones(8, 3), neighbours=3), torch.ones(8))
    assert not find_outliers(torch.ones(1, 8, 3), neighbours=3).any()


def test_averaging_unlike_tokens_leaves_each_alone():
    same(like_average(torch.eye(6)[None], torch.arange(6.0)[None, :, None], 0.4)[0, :, 0], torch.arange(6.0))


def test_layers_are_the_published_ones_of_twelve():
    assert Layers.of(12) == Layers(9, 4, (4, 5, 6, 7, 8, 9, 10))
    assert Layers.of(2) == Layers(1, 1, (1,))


def test_illegal_windows_are_refused():
    with pytest.raises(InputError, match="crop is 100"):
        ResCLIP(CLIP, crop=100)
