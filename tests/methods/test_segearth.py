"""SegEarth-OV without its upsampler: against its formulas in float64, ClearCLIP, and laws of λ."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from published_folders import any_shape, clip_folder
from radseg.errors import InputError
from radseg.methods.clearclip import ClearCLIP
from radseg.methods.segearth import SegEarthOV
from radseg.presets.load import load
from radseg.types import TextEmbeddings
from tower_builders import tiny_clip

CLIP = tiny_clip()
METHOD = SegEarthOV(CLIP, crop=96, stride=48)


def normed(row, weight, bias):
    return (row - row.mean()) / np.sqrt(row.var() + 1e-5) * weight + bias


def oracle(tower, crop, share):
    """p/|p| − λ c/|c| of one window, token by token and head by head."""
    *_, tokens = tower.vit.walk(tower.pixels(crop[None]))
    weights = {name: w.double().numpy() for name, w in tower.state_dict().items()}
    block = {n.split(".", 3)[3]: w for n, w in weights.items() if n.startswith("vit.blocks.2.")}
    x = [normed(t, block["norm1.weight"], block["norm1.bias"]) for t in tokens[0].double().numpy()]
    qkv = np.array([block["attention.qkv.weight"] @ t + block["attention.qkv.bias"] for t in x])
    wide, language = 32, []
    heads = tower.config.heads
    size = wide // heads
    for i in range(len(x)):
        mixed = np.zeros(wide)
        for head in range(heads):
            values = qkv[:, 2 * wide + head * size : 2 * wide + (head + 1) * size]
            for part in range(3):
                start = part * wide + head * size
                logits = qkv[:, start : start + size] @ qkv[i, start : start + size] / np.sqrt(size)
                softmax = np.exp(logits) / np.exp(logits).sum()
                mixed[head * size : (head + 1) * size] += softmax @ values
        y = block["attention.out.weight"] @ mixed + block["attention.out.bias"]
        aligned = weights["projection.weight"] @ normed(y, weights["norm.weight"], weights["norm.bias"])
        language.append(aligned / np.linalg.norm(aligned))
    return torch.from_numpy(np.array(language[1:]) - share * language[0]).float()


@pytest.mark.parametrize("size", [(64, 96), (48, 48)])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_window_equals_the_formula(size, share):
    crop = torch.rand(3, *size)
    found = replace(METHOD, cls_share=share).window(crop[None])[0]
    torch.testing.assert_close(found, oracle(CLIP, crop, share), rtol=0, atol=2e-6)


def test_overlapping_windows_are_averaged_as_published_logits_are():
    text, image = torch.randn(4, 20), torch.rand(3, 96, 144)
    logits, count = torch.zeros(4, 6, 9), torch.zeros(6, 9)
    for start in (0, 3):
        crop = image[:, :, 16 * start : 16 * start + 96]
        logits[:, :, start : start + 6] += (oracle(CLIP, crop, 0.3) @ text.T).T.unflatten(1, (6, 6))
        count[:, start : start + 6] += 1
    found = torch.einsum("ce,ehw->chw", text, METHOD.encode([image])[0].values)
    torch.testing.assert_close(found, logits / count, rtol=0, atol=2e-5)


def test_queries_keys_and_values_that_are_the_same_give_clearclip():
    """Then the three attentions are one; what follows does not see the factor 3, but for a bias."""
    tied = copy.deepcopy(CLIP)
    attention = tied.vit.blocks[-1].attention
    for parameter in (attention.qkv.weight, attention.qkv.bias):
        parameter.data = parameter.data[:32].repeat(3, *[1] * (parameter.ndim - 1))
    attention.out.bias.data.zero_()
    image = torch.rand(3, 96, 144)
    found = SegEarthOV(tied, crop=96, stride=48, cls_share=0.0).encode([image])[0].values
    expected = ClearCLIP(tied, crop=96, stride=48).encode([image])[0].values
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)  # worst seen 1e-6
    assert (METHOD.encode([image])[0].values - expected).abs().max() > 0.01


def test_all_patches_of_a_window_lose_the_same():
    crops = torch.rand(2, 3, 64, 48)
    lost = replace(METHOD, cls_share=0.0).window(crops) - METHOD.window(crops)
    torch.testing.assert_close(lost, lost[:, :1].expand_as(lost), rtol=0, atol=1e-6)
    torch.testing.assert_close(lost.norm(dim=-1), torch.full((2, 12), 0.3))


@pytest.mark.parametrize("share", [-0.3, 1.0])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(InputError, match=rf"cls_share is {share}; it must be from 0 to below 1\."):
        replace(METHOD, cls_share=share)


def test_the_preset_segments_with_weights_as_published(tmp_path, monkeypatch):
    any_shape(monkeypatch)
    segmenter = load("segearth-b", checkpoint=clip_folder(tmp_path / "clip"))
    assert isinstance(segmenter.encoder, SegEarthOV)
    text = TextEmbeddings(("roof", "road", "field"), torch.randn(3, 20), (0, 1, 2), segmenter.encoder.space)
    result = segmenter.segment(torch.rand(3, 120, 160), text, mode="assign")
    assert result.labels.shape == (120, 160)
    assert set(result.labels.flatten().tolist()) <= {1, 2, 3}
    assert result.meta["preset"] == "segearth-b"
