"""Talk2DINO: its patches, and the windows of its code against their formulas."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from oracles import talk2dino as oracle
from radseg.errors import InputError, SpaceMismatchError
from radseg.methods.talk2dino import PublishedTalk2DINO, Talk2DINO
from radseg.segment import Segmenter
from radseg.types import TextEmbeddings
from radseg.weights.catalog import TALK2DINO
from tower_builders import tiny_dino

DINO = tiny_dino(patch=14, registers=4)
PUBLISHED = PublishedTalk2DINO(DINO, crop=56, stride=28, view=56)
TEXT = TextEmbeddings(
    ("a", "b", "c"), torch.randn(3, 32, generator=torch.Generator().manual_seed(2)), (0, 1, 2), TALK2DINO
)


def patches_of(crop):
    """DINOv2's tokens after the final norm."""
    *_, tokens = DINO.vit.walk(DINO.pixels(crop))
    after = DINO.vit.blocks[-1](tokens)[:, 5:]
    return F.layer_norm(after, (32,), DINO.norm.weight, DINO.norm.bias, 1e-6)


def mean_sigmoids(image):
    def cosines_of(top, bottom, left, right):
        crop = image[None, :, top:bottom, left:right]
        squeezed = F.interpolate(crop, (56, 56), mode="bilinear", align_corners=False)
        patches = patches_of(squeezed)[0].double().numpy()
        texts = TEXT.values.double().numpy()
        lengths = np.linalg.norm(texts, axis=1)[:, None] * np.linalg.norm(patches, axis=1)
        return (texts @ patches.T / lengths).reshape(3, 4, 4)

    return oracle.mean_sigmoids(*image.shape[1:], 56, 28, cosines_of)


def test_it_takes_dinos_tokens_after_the_final_norm():
    crop = torch.rand(1, 3, 56, 84)
    found = Talk2DINO(DINO, crop=112, stride=56).window(crop)
    torch.testing.assert_close(found, patches_of(crop), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(61, 90), (56, 56), (30, 75), (17, 5)])
def test_as_published_sigmoids_are_averaged_on_the_pixels(size):
    image = torch.rand(3, *size)
    found = PUBLISHED.score([image], TEXT)[0]
    np.testing.assert_allclose(found.sigmoid().numpy(), mean_sigmoids(image), rtol=0, atol=1e-6)
    assert found.abs().max() <= 1


def test_as_published_the_segmenters_winner_is_that_of_the_mean_sigmoid():
    image = torch.rand(3, 61, 90)
    segmenter = Segmenter(PUBLISHED, None, short_side=None, temperature=40.0, denoising=0.0)
    labels = segmenter.segment(image, TEXT, mode="assign").labels
    assert (labels == mean_sigmoids(image).argmax(axis=0) + 1).all()


def test_as_published_the_memory_budget_has_no_say():
    image = torch.rand(3, 100, 75)
    few = replace(PUBLISHED, memory_budget=16).score([image], TEXT)[0]
    torch.testing.assert_close(few, PUBLISHED.score([image], TEXT)[0], rtol=0, atol=1e-6)


def test_wrong_numbers_and_text_are_refused():
    with pytest.raises(InputError, match="view is 50; it must be a multiple of 14"):
        replace(PUBLISHED, view=50)
    with pytest.raises(InputError, match="stride 57 is beyond crop 56"):
        replace(PUBLISHED, stride=57)
    with pytest.raises(SpaceMismatchError):
        PUBLISHED.score([torch.rand(3, 32, 32)], replace(TEXT, space="elsewhere"))
