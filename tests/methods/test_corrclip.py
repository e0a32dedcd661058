"""CorrCLIP against its published form, with regions the test draws; both ways of looking."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from builders import tiny_radio
from oracles import corrclip as oracle
from oracles.clip_methods import LastBlock
from oracles.decision import bilinear
from radseg.errors import InputError
from radseg.methods.corrclip import CorrCLIP, query_plus_key, spatial_layers
from radseg.methods.proxyclip import ProxyCLIP
from radseg.models.sam2 import PointMasks
from radseg.models.sam2_regions import Sam2Regions
from radseg.ops.scope import merge_regions
from tower_builders import SPACE, tiny_clip, tiny_dino

CLIP, DINO, RADIO = tiny_clip(depth=5), tiny_dino(), tiny_radio()


class Draws:
    """A SAM 2 that finds these boxes (top, left, bottom, right, as shares) in every image."""

    def __init__(self, *boxes):
        logits = torch.full((len(boxes), 1, 32, 32), -4.0)
        for one, (top, left, bottom, right) in zip(logits, boxes, strict=True):
            one[0, int(32 * top) : int(32 * bottom), int(32 * left) : int(32 * right)] = 4.0
        self.masks = PointMasks(logits, torch.full((len(boxes), 1), 0.9))

    def masks_of_grid(self, image, *, side, single):
        assert single
        return self.masks


BOXES = ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.25), (0.25, 0.6, 0.8, 0.9))
REGIONS = Sam2Regions(Draws(*BOXES))
WINDOWS = CorrCLIP(CLIP, crop=96, stride=48, vfm=DINO, regions=REGIONS)
WHOLE_IMAGE = CorrCLIP(CLIP, crop=96, stride=48, vfm=RADIO, regions=REGIONS, sees="image")
EVERY = {
    "windows": WINDOWS,
    "image": WHOLE_IMAGE,
    "whole": replace(WINDOWS, crop=None),
    "patches that do not nest": CorrCLIP(tiny_clip(patch=14), crop=112, stride=56, vfm=DINO, regions=REGIONS),
    "no region": replace(WINDOWS, regions=Sam2Regions(Draws())),
}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def method(request):
    return request.param


def drawn(height, width):
    """Three regions and a rest, on the grid of cells."""
    cells = torch.zeros(height, width, dtype=torch.int64)
    cells[:3, :4], cells[3:, :3], cells[1:5, 5:7] = 4, 2, 9
    return cells


@pytest.mark.parametrize("within", [-1.0, 0.05, 2.0])
@pytest.mark.parametrize("weights", [(1.0, 0.5), (0.3, 2.0)])
def test_window_equals_the_published_form(within, weights):
    crop, cells = torch.rand(3, 48, 64), drawn(6, 8)
    spatial, semantic = weights
    method = replace(
        WINDOWS, merge_within=within, spatial=spatial, semantic=semantic, layers=(1, 3), temperature=6.0
    )
    features = DINO.encode(crop[None], query_plus_key).patches[0].double().numpy()
    regions = oracle.merged(cells.flatten().numpy(), features, within)
    held = [int(regions[2 * y * 8 + 2 * x]) for y in range(3) for x in range(4)]  # its first cell's
    of_cell = [(y // 2) * 4 + x // 2 for y in range(6) for x in range(8)]

    def resize(values):
        maps = values.T.reshape(-1, 3, 4)
        return np.stack([bilinear(m, 6, 8) for m in maps]).reshape(len(maps), -1).T

    def head(tokens):
        return CLIP.to_language(torch.from_numpy(tokens).float()).double().numpy()

    blocks = [LastBlock(block.state_dict(), CLIP.config.heads) for block in CLIP.vit.blocks]
    start = CLIP.vit.embed(CLIP.pixels(crop[None]))[0].double().numpy()
    numbers = {"layers": (1, 3), "temperature": 6.0, "weights": weights}
    expected = oracle.window(
        blocks, start, features, regions, held, of_cell, resize=resize, head=head, **numbers
    )
    found = method.window(crop[None], cells[None, None])[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_the_similarity_is_of_queries_and_keys():
    crop = torch.rand(1, 3, 48, 48)
    *_, tokens = DINO.vit.walk(DINO.pixels(crop))
    block = DINO.vit.blocks[-1]
    joint = block.attention.qkv(block.norm1(tokens))
    expected = joint[..., :32] + joint[..., 32:64]
    torch.testing.assert_close(query_plus_key(block, tokens), expected)


def test_without_regions_and_further_streams_it_is_proxyclip_with_its_own_similarity():
    crops = torch.rand(2, 3, 64, 48)
    alone = replace(WINDOWS, spatial=0.0, semantic=0.0, temperature=3.0)
    proxy = ProxyCLIP(CLIP, crop=96, stride=48, vfm=QueriesAndKeys(DINO), temperature=3.0, centre=1.0)
    torch.testing.assert_close(alone.window(crops), proxy.window(crops), rtol=0, atol=1e-5)


class QueriesAndKeys:
    """DINO whose features are its last queries and keys."""

    def __init__(self, dino):
        self.dino, self.patch = dino, dino.patch

    def encode(self, crops):
        return self.dino.encode(crops, query_plus_key)

    def normalise(self, tokens):
        return tokens


def test_one_image_alone_equals_it_among_others(method):
    images = [torch.rand(3, *size) for size in ((150, 130), (96, 96), (40, 200), (17, 5))]
    for one, together in zip(images, method.encode(images), strict=True):
        alone = method.encode([one])[0]
        assert alone.space == SPACE
        assert alone.values.isfinite().all()
        torch.testing.assert_close(alone.values, together.values, rtol=0, atol=1e-5)


def test_a_batch_of_windows_equals_the_loop_whatever_regions_they_have(method):
    side = 2 * method.size_divisor if method.crop is None else method.crop
    cells = side // method.feature_stride
    crops = torch.rand(3, 3, side, side) * torch.tensor([0.2, 0.6, 1.0])[:, None, None, None]
    regions = torch.zeros(3, 1, cells, cells, dtype=torch.int64)
    regions[1, :, : cells // 2], regions[2, 0, :2, :2], regions[2, 0, 2:4] = 3, 1, 7
    seen = (torch.randn(3, 5, cells, cells),) if method.sees == "image" else ()
    together = method.window(crops, regions, *seen)
    for i, one in enumerate(together):
        alone = method.window(crops[i : i + 1], regions[i : i + 1], *(s[i : i + 1] for s in seen))
        torch.testing.assert_close(alone[0], one, rtol=0, atol=1e-5)


def test_regions_are_cut_from_the_whole_image_with_its_windows(monkeypatch):
    shown = []

    def remember(self, crops, regions=None, seen=None):
        shown.append(regions)
        return torch.zeros(len(crops), (crops.shape[2] // 8) * (crops.shape[3] // 8), 4)

    monkeypatch.setattr(CorrCLIP, "window", remember)
    WINDOWS.encode([torch.rand(3, 96, 144)])
    (found,) = shown  # two windows: columns 0 to 12 and 6 to 18 of 18
    assert set(found[0].unique().tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close(found[0, :, :, 6:], found[1, :, :, :6])


def test_the_image_is_seen_once_and_a_patch_is_a_cell(monkeypatch):
    sizes = []
    encode = type(RADIO).encode

    def remember(self, images, *more):
        sizes.append(tuple(images.shape))
        return encode(self, images, *more)

    monkeypatch.setattr(type(RADIO), "encode", remember)
    (found,) = WHOLE_IMAGE.encode([torch.rand(3, 96, 160)])
    assert sizes == [(1, 3, 192, 320)]
    assert tuple(found.values.shape[1:]) == (12, 20)


def test_what_sam_finds_reaches_the_features():
    image = torch.rand(3, 96, 96)
    with_regions, without = WINDOWS.encode([image])[0], EVERY["no region"].encode([image])[0]
    assert (with_regions.values - without.values).abs().max() > 0.01


def test_the_published_layers():
    assert spatial_layers(12) == (6, 7, 8, 9, 10)
    assert spatial_layers(24) == tuple(range(11, 23))
    assert spatial_layers(32) == tuple(range(16, 28))
    assert spatial_layers(3) == (2,)


def test_wrong_numbers_say_what_would_be_right():
    with pytest.raises(InputError, match="crop is 100; it must be a positive multiple of 16"):
        replace(WINDOWS, crop=100)
    with pytest.raises(InputError, match=r"layers is .5,.; it names outputs of blocks from 1 to 4"):
        replace(WINDOWS, layers=(5,))
    with pytest.raises(InputError, match="at least one"):
        replace(WINDOWS, layers=())
    with pytest.raises(InputError, match="points is 0"):
        replace(REGIONS, points=0)
    with pytest.raises(InputError, match="A patch of 15 pixels cannot be halved"):
        CorrCLIP(tiny_clip(patch=15), crop=45, stride=15, vfm=RADIO, regions=REGIONS, sees="image")


@pytest.mark.parametrize("seed", range(5))
def test_regions_chain_together_as_the_oracle_says(seed):
    generator = torch.Generator().manual_seed(seed)
    regions = torch.randint(0, 7, (40,), generator=generator) * 3
    unit = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator) + 1.0, dim=1)
    for within in (-1.0, 0.02, 0.1, 0.3):
        found = merge_regions(regions, unit, within=within)
        expected = oracle.merged(regions.numpy(), unit.double().numpy(), within)
        np.testing.assert_array_equal(found.numpy(), expected)
