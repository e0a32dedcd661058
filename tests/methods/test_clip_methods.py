"""MaskCLIP, SCLIP, ClearCLIP, NACLIP, ProxyCLIP: against oracles, laws, and each other."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from oracles import clip_methods as oracle
from oracles.decision import bilinear
from radseg.errors import InputError
from radseg.methods.clearclip import ClearCLIP
from radseg.methods.maskclip import MaskCLIP
from radseg.methods.naclip import NACLIP
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.sclip import SCLIP
from radseg.methods.shared.windowed import on_grid
from radseg.methods.talk2dino import Talk2DINO
from radseg.nn.vit import project_values
from radseg.ops.resize import image_size
from radseg.types import Size
from radseg.weights.catalog import TALK2DINO
from tower_builders import SPACE, tiny_clip, tiny_dino

CLIP, DINO = tiny_clip(), tiny_dino()
EVERY = {
    "maskclip": MaskCLIP(CLIP, crop=96, stride=48),
    "sclip": SCLIP(CLIP, crop=96, stride=48),
    "clearclip": ClearCLIP(CLIP, crop=96, stride=48),
    "naclip": NACLIP(CLIP, crop=96, stride=48),
    "naclip whole": NACLIP(CLIP, crop=None),
    "naclip stride rule": NACLIP(CLIP, crop=96, stride=48, size_rule="stride"),
    "proxyclip": ProxyCLIP(CLIP, crop=96, stride=48, vfm=DINO),
    "talk2dino": Talk2DINO(tiny_dino(patch=14, registers=4), crop=112, stride=56),
    "proxyclip 14": ProxyCLIP(CLIP, crop=112, stride=112, vfm=tiny_dino(patch=14)),
}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def method(request):
    return request.param


def before_the_last_block(tower, crop):
    *_, tokens = tower.vit.walk(tower.pixels(crop[None]))
    return tokens[0].double().numpy()


def block_of(tower):
    return oracle.LastBlock(tower.vit.blocks[-1].state_dict(), tower.config.heads)


def unit_language(y):
    """ln_post, projection and unit length of an oracle's patches."""
    return F.normalize(CLIP.to_language(torch.from_numpy(y).float()), dim=-1)


@pytest.mark.parametrize("size", [(64, 96), (48, 48)])
@pytest.mark.parametrize("name", ["maskclip", "sclip", "clearclip", "naclip"])
def test_window_equals_the_formula(name, size):
    crop = torch.rand(3, *size)
    block, x = block_of(CLIP), before_the_last_block(CLIP, crop)
    grid = {"rows": size[0] // 16, "columns": size[1] // 16, "sigma": 5.0} if name == "naclip" else {}
    expected = unit_language(getattr(oracle, name)(block, x, **grid)[1:])
    found = F.normalize(EVERY[name].window(crop[None])[0], dim=-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("gamma", "beta"), [(3.0, 1.2), (8.0, 0.5)])
def test_proxyclip_equals_the_formula(gamma, beta):
    crop = torch.rand(3, 48, 64)
    features = DINO.normalise(DINO.encode(crop[None]).patches)[0].double().numpy()

    def resize(values):
        maps = values.T.reshape(-1, 3, 4)
        return np.stack([bilinear(m, 6, 8) for m in maps]).reshape(len(maps), -1).T

    y = oracle.proxyclip(block_of(CLIP), before_the_last_block(CLIP, crop), features, resize, gamma, beta)
    method = replace(EVERY["proxyclip"], temperature=gamma, centre=beta)
    found = F.normalize(method.window(crop[None])[0], dim=-1)
    torch.testing.assert_close(found, unit_language(y), rtol=0, atol=3e-6)


def test_conformance_same_result_twice_and_parameters_untouched(method):
    before = [copy.deepcopy(b.state_dict()) for b in method.backbones]
    image = torch.rand(3, 130, 150)
    first, second = method.encode([image])[0], method.encode([image])[0]
    assert torch.equal(first.values, second.values)
    assert first.space == method.space == (TALK2DINO if isinstance(method, Talk2DINO) else SPACE)
    for backbone, state in zip(method.backbones, before, strict=True):
        assert all(torch.equal(state[k], v) for k, v in backbone.state_dict().items())


def test_conformance_one_image_alone_equals_it_among_others(method):
    images = [torch.rand(3, *size) for size in ((150, 130), (96, 96), (40, 200), (17, 5), (150, 130))]
    for one, together in zip(images, method.encode(images), strict=True):
        close(method.encode([one])[0].values, together.values)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)  # worst seen 2e-6: blocking of the products


def test_batch_of_windows_equals_the_loop_over_windows(method):
    side = 2 * method.size_divisor if method.crop is None else method.crop
    crops = torch.rand(3, 3, side, side) * torch.tensor([0.2, 0.6, 1.0])[:, None, None, None]
    together = method.window(crops)
    for crop, one in zip(crops, together, strict=True):
        close(method.window(crop[None])[0], one)


def test_result_does_not_depend_on_the_memory_budget(method):
    image = torch.rand(3, 150, 170)
    close(replace(method, memory_budget=16).encode([image])[0].values, method.encode([image])[0].values)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (15, 17), (97, 33)])
def test_any_size_gives_finite_features_on_its_grid(method, size):
    image = torch.rand(3, *size)
    values = method.encode([image])[0].values
    assert values.isfinite().all()
    assert tuple(values.shape[1:]) == tuple(
        s // method.feature_stride for s in image_size(method.prepare(image))
    )


def test_features_of_one_window_have_unit_length(method):
    values = method.encode([torch.rand(3, method.size_divisor, method.size_divisor)])[0].values
    torch.testing.assert_close(values.norm(dim=0), torch.ones(values.shape[1:]))


def test_averaging_unit_features_is_averaging_logits():
    """The law behind features in place of logits: the window engine is linear."""
    method, text = EVERY["sclip"], F.normalize(torch.randn(4, 20), dim=1)
    image = torch.rand(3, 96, 144)
    features = method.encode([image])[0].values
    first, second = (
        F.normalize(method.window(image[None, :, :, a : a + 96])[0], dim=1) @ text.T for a in (0, 48)
    )
    expected = torch.zeros(4, 6, 9)
    expected[:, :, :6] += first.T.unflatten(1, (6, 6))
    expected[:, :, 3:] += second.T.unflatten(1, (6, 6))
    expected[:, :, 3:6] /= 2
    close(torch.einsum("ce,ehw->chw", text, features), expected)


def test_naclip_with_boundless_neighbourhood_is_key_key_attention_with_a_constant_for_patches():
    crop = torch.rand(1, 3, 48, 64)
    # ω = 0, the reduction of methods spec 13, is tests/ops/test_attention.py: no sigma gives it.
    _, k, v = CLIP.vit.blocks[-1].attention.project(CLIP.vit.blocks[-1].norm1(last_input(crop)))
    plain = CLIP.vit.blocks[-1].attention.merge(F.scaled_dot_product_attention(k, k, v))[:, 1:]
    wide = replace(EVERY["naclip"], sigma=1e6)  # ω = 1 between all patches: a constant but for CLS
    assert not torch.allclose(EVERY["naclip"].window(crop), CLIP.to_language(plain), atol=1e-4)
    weights = (k @ k.mT / 4).exp() * 1.0
    weights[..., 1:, 1:] *= torch.e
    mixed = (weights / weights.sum(-1, keepdim=True)) @ v
    close(wide.window(crop), CLIP.to_language(CLIP.vit.blocks[-1].attention.merge(mixed)[:, 1:]))


def last_input(crop):
    *_, tokens = CLIP.vit.walk(CLIP.pixels(crop))
    return tokens


def test_proxyclip_without_contrast_is_the_mean_of_the_values():
    crop = torch.rand(1, 3, 48, 48)
    method = replace(EVERY["proxyclip"], vfm=tiny_dino(patch=16), temperature=1e-6, centre=-100.0)
    mean = CLIP.encode(crop, project_values).patches.mean(dim=1, keepdim=True)
    close(method.window(crop), CLIP.to_language(mean).expand(-1, 9, -1))


def test_proxyclip_of_tokens_unlike_each_other_is_maskclip():
    """F = one-hot: every token is alike itself only, so with its threshold it takes its own value."""

    class OneHot:
        patch, width, mlp_width, prefix_tokens = 16, 36, 36, 0
        device, dtype = torch.device("cpu"), torch.float32

        def encode(self, crops):
            from radseg.types import PatchTokens, Size  # noqa: PLC0415

            grid = Size(crops.shape[-2] // 16, crops.shape[-1] // 16)
            one_hot = torch.eye(36)[: grid.height * grid.width].expand(len(crops), -1, -1)
            return PatchTokens(one_hot, one_hot[:, :0], grid)

        def normalise(self, tokens):
            return tokens

    crop = torch.rand(2, 3, 64, 48)
    close(replace(EVERY["proxyclip"], vfm=OneHot()).window(crop), EVERY["maskclip"].window(crop))


def test_a_flat_window_does_not_become_nan():
    """Published ProxyCLIP: all cosines are 1, the threshold 1.2, every row empty, NaN."""
    method = replace(EVERY["proxyclip"], vfm=flat_dino())
    assert method.window(torch.full((1, 3, 96, 96), 0.5)).isfinite().all()


def flat_dino():
    dino = tiny_dino()
    with torch.no_grad():
        dino.vit.position.zero_()
    return dino


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 100}, "crop is 100; it must be a positive multiple of 16"),
        ({"crop": 64, "stride": 80}, "stride 80 is beyond crop 64"),
        ({"sigma": 0.0}, "sigma is 0.0; it must be above 0"),
    ],
)
def test_wrong_numbers_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(EVERY["naclip"], **changes)


def test_windows_must_be_whole_patches_of_both_backbones():
    with pytest.raises(InputError, match="multiple of 112"):
        ProxyCLIP(CLIP, crop=336, stride=56, vfm=tiny_dino(patch=14))


@pytest.fixture
def uneven():
    """An image whose windows are unlike each other: flat on the left, noise on the right."""
    return torch.cat([torch.full((3, 96, 96), 0.5), torch.rand(3, 96, 96)], dim=2)


def test_proxyclip_as_published_takes_the_mean_over_all_windows_of_an_image(uneven):
    corrected = replace(EVERY["proxyclip"], stride=96)
    paper = replace(corrected, mean_over="image")
    halves = torch.stack([uneven[:, :, :96], uneven[:, :, 96:]])
    tokens = F.normalize(DINO.normalise(DINO.encode(halves).patches), dim=-1)
    cosine = tokens @ tokens.mT
    # The published formula on the batch: γ(cos − β·mean of the whole tensor), negatives left out.
    weights = 3 * (cosine - 1.2 * cosine.mean())
    keep = (weights >= 0) | torch.eye(cosine.shape[-1], dtype=torch.bool)
    values = on_grid(CLIP.encode(halves, project_values).patches, Size(6, 6), Size(12, 12))
    mixed = weights.masked_fill(~keep, -torch.inf).softmax(dim=-1) @ values
    expected = F.normalize(CLIP.to_language(mixed), dim=-1).mT.unflatten(-1, (12, 12))
    found = paper.encode([uneven])[0].values
    close(found, torch.cat(tuple(expected), dim=-1))
    assert (found - corrected.encode([uneven])[0].values).abs().max() > 1e-3


def test_a_mean_over_the_image_knows_neither_other_images_nor_the_memory_budget(uneven):
    paper = replace(EVERY["proxyclip"], mean_over="image")
    alone = paper.encode([uneven])[0].values
    close(paper.encode([torch.rand(3, 96, 192), uneven])[1].values, alone)
    close(replace(paper, memory_budget=16).encode([uneven])[0].values, alone)
