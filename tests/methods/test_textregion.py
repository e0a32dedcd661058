"""TextRegion against its rules, with a SAM that says what the test wants."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ops.test_region_masks import blobs
from oracles import clip_methods as clip_oracle
from oracles import textregion as oracle
from oracles.decision import bilinear
from radseg.errors import InputError, SpaceMismatchError
from radseg.methods.sclip import SCLIP
from radseg.methods.textregion import PublishedTextRegion, TextRegion
from radseg.models.sam2 import PointMasks
from radseg.nn.vit import plain_values
from radseg.ops.cosine import row_cosine
from radseg.types import TextEmbeddings
from tower_builders import SPACE, tiny_clip

CLIP = tiny_clip()


class Says:
    """A SAM with these masks for every image."""

    def __init__(self, masks):
        self.masks = masks

    def masks_of_grid(self, image, *, side):
        return self.masks


def some_masks(points=5, seed=0):
    scores = torch.rand(points, 3, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.4
    return PointMasks(blobs(3 * points, seed=seed).unflatten(0, (points, 3)), scores)


def method(masks=None, **changes):
    return TextRegion(CLIP, Says(masks or some_masks()), view=96, min_locality=-1.0, **changes)


@pytest.mark.parametrize("seed", range(4))
def test_regions_follow_the_rules(seed):
    masks = some_masks(6, seed)
    expected = oracle.regions(masks.logits.numpy(), masks.scores.numpy(), 0.6, 0.6, 100 / 256**2 * 24**2)
    found = method(masks).regions(torch.rand(3, 50, 70))
    np.testing.assert_allclose(found.numpy(), np.stack(expected))


def test_features_are_the_regions_added_up_per_pixel():
    """Σ over regions of clamp(mask, 0, 1)·unit(head(O(Σ m·v))), values of whole plus tiles."""
    image = torch.rand(3, 100, 210)
    ours = method()
    block = CLIP.vit.blocks[-1]

    def values(view):
        square = F.interpolate(view[None], (96, 96), mode="bicubic", antialias=True).clamp(0, 1)
        *_, tokens = CLIP.vit.walk(CLIP.pixels(square))
        return block.attention.qkv(block.norm1(tokens))[0, 1:, 64:]

    whole = values(image).T.unflatten(1, (6, 6))
    tiles = [values(image[:, :, a : a + 105]).T.unflatten(1, (6, 6)) for a in (0, 105)]
    canvas = F.interpolate(whole[None], (6, 12), mode="bilinear")[0] + torch.cat(tiles, dim=2)
    torch.testing.assert_close(ours.canvas(*ours.views(image), plain_values), canvas, rtol=0, atol=1e-5)
    regions = ours.regions(image)
    expected = torch.zeros(20, 24, 24)
    for region in regions:
        small = F.interpolate(region[None, None], (6, 12), mode="bilinear")[0, 0].clamp(0, 1)
        token = sum(small[i, j] * canvas[:, i, j] for i in range(6) for j in range(12))
        feature = F.normalize(CLIP.to_language(block.attention.out(token)), dim=0)
        expected += feature[:, None, None] * region.clamp(max=1)
    covered = regions.amax(dim=0) > 0
    assert 0 < covered.sum() < covered.numel()
    found = ours.encode([image])[0].values
    torch.testing.assert_close(found[:, covered], expected[:, covered], rtol=0, atol=2e-5)


def test_as_published_cosines_of_regions_on_each_other_add_up():
    image, ours = torch.rand(3, 100, 210), method()
    regions, texts = ours.regions(image), F.normalize(torch.randn(4, 20), dim=1)
    assert ((regions > 0).sum(dim=0) > 1).any()
    assert (regions == 0).all(dim=0).any()
    canvas = ours.canvas(*ours.views(image), plain_values)  # as in the test above
    small = np.stack([bilinear(region, 6, 12) for region in regions.double().numpy()]).clip(0, 1)
    sums = torch.from_numpy(small).float().flatten(1) @ canvas.flatten(1).T
    tokens = F.normalize(CLIP.to_language(CLIP.vit.blocks[-1].attention.out(sums)), dim=1)

    def sclip(view):
        square = F.interpolate(view[None], (96, 96), mode="bicubic", antialias=True).clamp(0, 1)
        *_, before = CLIP.vit.walk(CLIP.pixels(square))
        block = clip_oracle.LastBlock(CLIP.vit.blocks[-1].state_dict(), CLIP.config.heads)
        y = clip_oracle.sclip(block, before[0].double().numpy())[1:]
        return (texts @ F.normalize(CLIP.to_language(torch.from_numpy(y).float()), dim=1).T).unflatten(
            1, (6, 6)
        )

    tiles = torch.cat([sclip(image[:, :, a : a + 105]) for a in (0, 105)], dim=2).double().numpy()
    rest = [
        bilinear(bilinear(w, 6, 12) + t, 24, 24)
        for w, t in zip(sclip(image).double().numpy(), tiles, strict=True)
    ]
    expected = oracle.added(regions.numpy(), tokens.numpy(), texts.numpy(), np.stack(rest))
    words = TextEmbeddings(("a", "b", "c", "d"), 3 * texts, (0, 1, 2, 3), SPACE)
    found = PublishedTextRegion(ours).score([image], words)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5)


def test_as_published_the_winner_under_masks_is_that_of_the_features():
    image, ours = torch.rand(3, 100, 210), method()
    words = TextEmbeddings(("a", "b", "c", "d"), torch.randn(4, 20), (0, 1, 2, 3), SPACE)
    plain = row_cosine(ours.encode([image])[0].values, words.values)
    assert torch.equal(PublishedTextRegion(ours).score([image], words)[0].argmax(0), plain.argmax(0))


def test_an_image_without_regions_is_sclips_in_both():
    ours = method(PointMasks(torch.full((1, 3, 24, 24), -4.0), torch.ones(1, 3)))
    image = torch.rand(3, 100, 120)
    words = TextEmbeddings(("a", "b"), torch.randn(2, 20), (0, 1), SPACE)
    rest = ours.fallback(image, (24, 24))
    expected = torch.einsum("ehw,re->rhw", rest, F.normalize(words.values, dim=1))
    torch.testing.assert_close(PublishedTextRegion(ours).score([image], words)[0], expected)


def test_as_published_text_of_another_space_is_refused():
    words = TextEmbeddings(("a",), torch.randn(1, 20), (0,), "elsewhere")
    with pytest.raises(SpaceMismatchError):
        PublishedTextRegion(method()).score([torch.rand(3, 32, 32)], words)


def test_what_no_mask_covers_is_as_sclip_sees_it():
    ours = method(PointMasks(torch.full((1, 3, 24, 24), -4.0), torch.ones(1, 3)))
    image = torch.rand(3, 96, 96)
    sclip = SCLIP(CLIP, crop=96, stride=48).encode([image])[0].values
    # One tile: it is the whole image, so the two views are the same.
    expected = F.interpolate(sclip[None], (24, 24), mode="bilinear")[0]
    torch.testing.assert_close(
        ours.encode([image])[0].values, F.normalize(expected, dim=0), rtol=0, atol=1e-5
    )


def test_a_locality_no_patch_has_leaves_only_sclip():
    ours = replace(method(), min_locality=3.0)
    image = torch.rand(3, 100, 120)
    torch.testing.assert_close(
        ours.encode([image])[0].values,
        F.normalize(ours.fallback(image, (24, 24)), dim=0),
        rtol=0,
        atol=1e-5,
    )


def test_conformance_same_twice_alone_or_among_others_parameters_untouched():
    ours, before = method(), copy.deepcopy(CLIP.state_dict())
    images = [torch.rand(3, *size) for size in ((100, 210), (96, 96), (17, 5), (1, 300))]
    together = ours.encode(images)
    for image, one in zip(images, together, strict=True):
        again = ours.encode([image])[0]
        assert one.space == SPACE
        assert one.values.isfinite().all()
        torch.testing.assert_close(again.values, one.values, rtol=0, atol=1e-5)
    assert torch.equal(ours.encode(images[:1])[0].values, ours.encode(images[:1])[0].values)
    assert all(torch.equal(before[k], v) for k, v in CLIP.state_dict().items())


def test_result_does_not_depend_on_the_memory_budget():
    image = torch.rand(3, 200, 210)
    small = method(memory_budget=16).encode([image])[0].values
    torch.testing.assert_close(small, method().encode([image])[0].values, rtol=0, atol=1e-5)


def test_wrong_numbers_are_refused():
    with pytest.raises(InputError, match="view is 100; it must be a multiple of 16"):
        replace(method(), view=100)
    with pytest.raises(InputError, match="points is 0"):
        replace(method(), points=0)
