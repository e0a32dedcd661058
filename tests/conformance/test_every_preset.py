"""Every preset × what every method must keep: small random networks stand in for the weights."""

import copy
from dataclasses import replace

import pytest
import torch

from preset_builders import text_width, tiny_part
from radseg import miniature
from radseg.methods.corrclip import CorrCLIP
from radseg.methods.radseg import SelfCorrelatingAggregation
from radseg.methods.shared.pixel_windows import PixelWindows
from radseg.methods.textregion import PublishedTextRegion, TextRegion
from radseg.presets.table import METHODS, PRESETS
from radseg.scoring import class_cosine
from radseg.types import TextEmbeddings


def different(presets):
    """Names of the presets that differ with small networks: one for -b and -h of the same method."""
    first = {}
    for name, preset in presets.items():
        if preset.checkpoint != "toy":
            options = replace(preset.options, refine="none")
            first.setdefault((preset.method, options, preset.published or preset.checkpoint), name)
    return list(first.values())


def preset_of(name):
    return PRESETS[name.partition(",")[0]]


SCGA = SelfCorrelatingAggregation()
VARIANTS = {
    "naradio-b, reduced": {"tail": "reduced"},
    "naradio-b, stride": {"size_rule": "stride"},
    "naradio-b, SCGA": {"aggregate": SCGA},
    "proxyradio-s-b, SCGA": {"aggregate": SCGA, "size_rule": "stride"},
    "resradio-b, reduced": {"rules": "paper", "tail": "reduced"},
    "resradio-b, SCGA": {"aggregate": SCGA},
    "resclip-b, stride": {"pamr_iterations": 0, "size_rule": "stride", "rules": "paper"},
    "scclip-b, whole": {"crop": None},
    "scclip-b, few": {"neighbours": 5},
}
"""Presets with fields that no preset sets."""
NAMES = different(PRESETS) + list(VARIANTS)
WITH_WINDOWS = [n for n in NAMES if hasattr(preset_of(n).options, "crop")]
SIZES = ((112, 130), (33, 150), (17, 5), (112, 130))


@pytest.fixture(scope="module")
def built():
    """Methods by preset, made once, with their networks and text rows."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = build(name)
        return made[name]

    return get


def build(name):
    preset = preset_of(name)
    row = METHODS[preset.method]
    if preset.checkpoint == "miniature":
        backbone = miniature.load_parts()[0]
    else:
        backbone = tiny_part(preset.checkpoint, row.adaptors)
    parts = [tiny_part(weights) for weights in preset.auxiliary]
    whole = getattr(preset.options, "crop", None) is None
    options = preset.options.changed(preset.options.taken({"crop": None if whole else 112, "stride": 112}))
    method = row.build(backbone, parts, options)
    if isinstance(method, TextRegion):
        method = replace(method, points=3)  # 16 are 256 prompts an image
    if isinstance(method, PublishedTextRegion):
        method = replace(method, regions=replace(method.regions, points=3))
    if isinstance(method, CorrCLIP):  # random masks are unsure
        regions = replace(method.regions, points=3, min_iou=-1e9, min_stability=0.0, box_iou=1.0)
        method = replace(method, regions=regions)
    method = varied(method, **VARIANTS.get(name, {}))
    values = torch.randn(3, text_width(preset), generator=torch.Generator().manual_seed(1))
    return method, (backbone, *parts), TextEmbeddings(("a", "b", "c"), values, (0, 1, 2), method.space)


def varied(method, **fields):
    """The method with other fields; of windows at any pixel, what is in them."""
    if fields and isinstance(method, PixelWindows):
        return replace(method, encoder=replace(method.encoder, **fields))
    return replace(method, **fields)


def answers(method, images, text):
    if hasattr(method, "score"):
        return method.score(images, text)
    return [class_cosine(features, text) for features in method.encode(images)]


def random_images():
    return [torch.rand(3, *size, generator=torch.Generator().manual_seed(i)) for i, size in enumerate(SIZES)]


@pytest.mark.parametrize("name", NAMES)
def test_one_image_alone_equals_it_in_a_list(name, built):
    method, _, text = built(name)
    images = random_images()
    for one, together in zip(images, answers(method, images, text), strict=True):
        # Worst seen 1e-6 on this machine: GEMMs of other batch sizes.
        torch.testing.assert_close(answers(method, [one], text)[0], together, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_twice_finite_and_parameters_untouched_even_under_autocast(name, built):
    method, networks, text = built(name)
    before = [copy.deepcopy(network.state_dict()) for network in networks if hasattr(network, "state_dict")]
    first = answers(method, random_images()[1:2], text)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second = answers(method, random_images()[1:2], text)[0]
    assert torch.equal(first, second)
    assert first.isfinite().all()
    most = 2 * method.regions.points**2 * 3 if isinstance(method, PublishedTextRegion) else 1  # it adds up
    assert float(first.abs().max()) <= most + 1e-5
    after = [network.state_dict() for network in networks if hasattr(network, "state_dict")]
    for one, other in zip(before, after, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 200), (113, 97)])
def test_odd_sizes_give_answers_on_a_grid(name, size, built):
    method, _, text = built(name)
    found = answers(method, [torch.rand(3, *size)], text)[0]
    assert found.isfinite().all()
    assert found.shape[0] == 3
    assert min(found.shape[1:]) >= 1


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_windows_together_give_what_each_gives_in_turn(name, built):
    method, _, text = built(name)
    flat, noise = torch.full((3, 112, 112), 0.5), torch.rand(3, 112, 112)
    image = torch.cat([flat, noise], dim=2)  # two windows that are not alike
    looped = answers(varied(method, memory_budget=2**16), [image], text)[0]
    torch.testing.assert_close(answers(method, [image], text)[0], looped, rtol=1e-4, atol=2e-5)
