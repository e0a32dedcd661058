"""Trident: stage 1 is ProxyCLIP's mixing, stage 3 against its formulas; conformance."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from oracles import trident as oracle
from radseg.methods.base import BackboneEncoder, align_map
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.trident import Trident
from radseg.ops.correlation import mean_cosine
from radseg.ops.resize import fit_frame
from sam_builders import tiny_sam
from tower_builders import SPACE, tiny_clip, tiny_dino

CLIP, DINO, SAM = tiny_clip(), tiny_dino(patch=16), tiny_sam().encoder
TRIDENT = Trident(CLIP, crop=96, stride=48, vfm=DINO, sam=SAM)
EVERY = {
    "trident": TRIDENT,
    "street": replace(TRIDENT, cosine_factor=3.0, below_zero=0.6),
    "two patches": Trident(tiny_clip(patch=14), crop=112, stride=112, vfm=DINO, sam=SAM),
}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def method(request):
    return request.param


def of_the_image(image):
    """SAM's last attention and values in the valid region, in full."""
    framed = fit_frame(image, frame=128, patch=16)
    grid, tokens = SAM.grid_of(framed), SAM.trunk(framed)
    inside = [i * 8 + j for i in range(grid.height) for j in range(grid.width)]
    weights = torch.cat([p.weights for p in SAM.attend(SAM.layers[-1], tokens)], dim=1)
    values = SAM.values(SAM.layers[-1], tokens)[:, inside]
    return grid, weights[:, inside][:, :, inside].double().numpy(), values.double().numpy()


@pytest.mark.parametrize("size", [(96, 128), (80, 80), (128, 32)])
@pytest.mark.parametrize(("factor", "below_zero"), [(1.2, None), (3.0, None), (-2.0, 0.6), (-2.0, None)])
def test_guidance_equals_the_formula(size, factor, below_zero):
    image = torch.rand(3, *size)
    grid, weights, values = of_the_image(image)
    features = torch.randn(5, *grid)
    expected = oracle.guided(weights, values, features.flatten(1).T.double().numpy(), factor, below_zero)
    method = replace(TRIDENT, cosine_factor=factor, below_zero=below_zero)
    found = method.guide(image, features).flatten(1).T.numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_without_a_threshold_it_is_the_plain_mean_of_sams_heads(monkeypatch):
    """The reduction cos_fac → −∞ of methods spec 13, where the mean cosine is positive."""
    monkeypatch.setattr(Trident, "threshold", lambda _, cosine: torch.full(cosine.shape[1:2], -2.0)[:, None])
    image = torch.rand(3, 96, 128)
    grid, weights, _ = of_the_image(image)
    features = torch.randn(5, *grid)
    plain = weights.mean(0) / weights.mean(0).sum(-1, keepdims=True)
    found = TRIDENT.guide(image, features)
    np.testing.assert_allclose(
        found.flatten(1).T.numpy(), plain @ features.flatten(1).T.double().numpy(), rtol=0, atol=2e-6
    )


def test_windows_are_proxyclips_before_the_projection():
    crops = torch.rand(2, 3, 96, 64)
    proxy = ProxyCLIP(CLIP, crop=96, stride=48, vfm=DINO)
    torch.testing.assert_close(CLIP.to_language(TRIDENT.window(crops)), proxy.window(crops))


def test_raw_values_are_taken_for_normalised_ones_by_clip_and_undone_for_dino_and_sam():
    """RayFronts' encoder before 0b7b4a7: CLIP as it is, DINO by CLIP's mean, SAM by ImageNet's, in [0, 1]."""
    raw, image = replace(TRIDENT, input_values="raw"), torch.rand(1, 3, 96, 96)
    mean, std = (one[:, None, None] for one in (CLIP.conditioner.mean, CLIP.conditioner.std))
    torch.testing.assert_close(raw.window(image), TRIDENT.window(image * std + mean))
    torch.testing.assert_close(CLIP.pixels(raw.backbone.conditioner.inverse(image)), image)
    mean, std = (one[:, None, None] for one in (DINO.conditioner.mean, DINO.conditioner.std))
    features = torch.randn(5, 6, 6)
    seen = (image[0] * std + mean).clamp(0, 1)
    torch.testing.assert_close(raw.guide(image[0], features), TRIDENT.guide(seen, features))
    assert not torch.allclose(raw.guide(image[0], features), TRIDENT.guide(image[0], features), atol=1e-4)


def test_guidance_does_not_depend_on_how_queries_are_cut(monkeypatch):
    image, features = torch.rand(3, 96, 128), torch.randn(5, 6, 8)
    expected = TRIDENT.guide(image, features)
    monkeypatch.setattr("radseg.models.sam_encoder.QUERY_ROWS", 5)
    torch.testing.assert_close(TRIDENT.guide(image, features), expected)


def test_features_are_aligned_after_the_guidance(method):
    image = torch.rand(3, 120, 150)
    values = method.encode([image])[0].values
    torch.testing.assert_close(values.norm(dim=0), torch.ones(values.shape[1:]))
    assert tuple(values.shape[1:]) == tuple(
        SAM.grid_of(fit_frame(method.prepare(image), frame=128, patch=16))
    )


def test_conformance_same_twice_and_parameters_untouched(method):
    networks = (*method.backbones, method.sam)
    before = [copy.deepcopy(n.state_dict()) for n in networks]
    image = torch.rand(3, 100, 130)
    first, second = method.encode([image])[0], method.encode([image])[0]
    assert torch.equal(first.values, second.values)
    assert first.space == SPACE
    for network, state in zip(networks, before, strict=True):
        assert all(torch.equal(state[k], v) for k, v in network.state_dict().items())


def test_conformance_one_image_alone_equals_it_among_others(method):
    images = [torch.rand(3, *size) for size in ((150, 130), (40, 200), (17, 5))]
    for one, together in zip(images, method.encode(images), strict=True):
        torch.testing.assert_close(method.encode([one])[0].values, together.values, rtol=0, atol=1e-5)


def test_batch_of_windows_equals_the_loop_over_windows(method):
    side = method.crop
    crops = torch.rand(3, 3, side, side) * torch.tensor([0.2, 0.6, 1.0])[:, None, None, None]
    for crop, one in zip(crops, method.window(crops), strict=True):
        torch.testing.assert_close(method.window(crop[None])[0], one, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (97, 33)])
def test_any_size_gives_finite_features(method, size):
    assert method.encode([torch.rand(3, *size)])[0].values.isfinite().all()


def test_values_are_mixed_in_clips_width_and_aligned_last(method):
    image = torch.rand(3, 100, 130)
    assert isinstance(method, BackboneEncoder)
    mixed = method.encode_backbone([image])[0]
    assert mixed.shape[0] == method.backbone.width
    assert method.backbone_space == f"backbone:{method.backbone.config.name}"
    assert torch.equal(align_map(method.align, mixed), method.encode([image])[0].values)


def test_a_flat_image_does_not_become_nan(method):
    values = method.encode([torch.full((3, 100, 100), 0.5)])[0].values
    assert F.normalize(values, dim=0).isfinite().all()


def test_as_published_windows_share_the_mean_of_the_image():
    image = torch.cat([torch.full((3, 96, 96), 0.5), torch.rand(3, 96, 96)], dim=2)
    corrected = replace(TRIDENT, stride=96)
    paper = replace(corrected, mean_over="image")
    halves = torch.stack([image[:, :, :96], image[:, :, 96:]])
    means = mean_cosine(DINO.normalise(DINO.encode(halves).patches))
    # With the batch's mean, a window is as alone with its own mean at another β.
    for half, own, together in zip(halves, means, paper.window(halves), strict=True):
        moved = replace(corrected, centre=1.2 * float(means.mean() / own)).window(half[None])[0]
        torch.testing.assert_close(together, moved, rtol=0, atol=1e-5)
    maps = [method.encode([image])[0].values for method in (corrected, paper)]
    assert (maps[0] - maps[1]).abs().max() > 1e-4
