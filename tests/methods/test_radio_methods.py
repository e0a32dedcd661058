"""NARADIO, RayFronts, ProxyRADIO, ResRADIO: against their formulas, and where they reduce to each other."""

import copy
from dataclasses import astuple, replace

import pytest
import torch

from builders import tiny_config, tiny_radio
from oracles import last_block as oracle
from oracles.semantic_feedback import patch_labels
from radseg.errors import InputError, SpaceMismatchError
from radseg.methods.naradio import NARADIO
from radseg.methods.proxyradio import ProxyRADIO
from radseg.methods.radseg import RADSeg
from radseg.methods.rayfronts import RayFronts
from radseg.methods.resradio import ResRADIO
from radseg.methods.shared.last_block import KeyKeyBlock
from radseg.methods.shared.on_radio import RadioMethod
from radseg.nn.vit import standard_block
from radseg.ops.cosine import row_cosine
from radseg.ops.feedback import Residuals
from radseg.types import TextEmbeddings
from radseg.weights.config import AdaptorConfig, HeadConfig

HEAD = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=16, blocks=1)
TEACHER = AdaptorConfig("sam", 1, None, None, HEAD)
RADIO = tiny_radio(adaptors=(*tiny_config().adaptors, TEACHER), depth=4)
DOUBLE = copy.deepcopy(RADIO).double()
SLIDING = {"crop": 96, "stride": 64}
TEXT = TextEmbeddings(
    ("a", "b", "c", "d"),
    torch.randn(4, 20, generator=torch.Generator().manual_seed(5)),
    (0, 1, 2, 3),
    RADIO.space,
)


def tokens_before(radio, crop):
    """The tokens that each block takes, as numpy, and the blocks' weights."""
    steps = list(radio.vit.steps(radio.pixels(crop)))
    return [t[0].numpy() for _, t in steps], [oracle.weights_of(b) for b, _ in steps]


def patches(tokens):
    return torch.from_numpy(tokens[DOUBLE.prefix_tokens :])


CROP = torch.rand(1, 3, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
PREFIX = RADIO.prefix_tokens


@pytest.mark.parametrize("tail", ["full", "reduced"])
def test_naradio_equals_its_formula(tail):
    inputs, blocks = tokens_before(DOUBLE, CROP)
    bias = oracle.neighbours(4, 6, PREFIX, 7.0)
    expected = oracle.key_key(inputs[-1], blocks[-1], 2, bias, tail)
    ours = NARADIO(DOUBLE, tail=tail).window_features(CROP)[0]
    torch.testing.assert_close(ours, patches(expected), rtol=1e-6, atol=1e-6)


def test_rayfronts_sees_neighbours_on_the_right_grid_unless_as_published():
    inputs, blocks = tokens_before(DOUBLE, CROP)
    for order, size in (("rows", (4, 6)), ("transposed", (6, 4))):
        bias = oracle.neighbours(*size, PREFIX, 7.0)
        ours = RayFronts(DOUBLE, grid_order=order).window_features(CROP)[0]
        expected = oracle.key_key(inputs[-1], blocks[-1], 2, bias)
        torch.testing.assert_close(ours, patches(expected), rtol=1e-6, atol=1e-6)


def test_rayfronts_on_raw_values_sees_the_image_as_it_is_in_place_of_its_normalised_values():
    raw = RayFronts(DOUBLE, input_values="raw").window_features(CROP)
    bare = copy.deepcopy(DOUBLE)
    bare.conditioner.mean.zero_()
    bare.conditioner.std.fill_(1)
    assert DOUBLE.conditioner.mean.any()
    torch.testing.assert_close(raw, RayFronts(bare).window_features(CROP), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("tail", ["full", "reduced"])
def test_proxyradio_equals_its_formula(tail):
    inputs, blocks = tokens_before(DOUBLE, CROP)
    standard = patches(oracle.standard(inputs[-1], blocks[-1], 2))
    features = DOUBLE.to_teacher("sam", standard).numpy()
    expected = oracle.proxy(inputs[-1], blocks[-1], 2, PREFIX, features, tail)
    ours = ProxyRADIO(DOUBLE, tail=tail).window_features(CROP)[0]
    torch.testing.assert_close(ours, torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("rules", "tail"), [("corrected", "full"), ("paper", "reduced")])
def test_resradio_equals_its_formulas(rules, tail):
    inputs, blocks = tokens_before(DOUBLE, CROP)
    numbers = Residuals(0.3, 1.2, 0.4, 1.8, 0.7)
    method = ResRADIO(DOUBLE, residuals=numbers, inner=(2, 3), rules=rules, tail=tail)
    rows = TEXT.values.double()

    def label(tokens):
        features = DOUBLE.to_language(patches(tokens)).mT.unflatten(1, (4, 6))
        return patch_labels(row_cosine(features, rows).numpy(), 16, 100.0, 0.3, rules == "paper")

    bias = oracle.neighbours(4, 6, PREFIX, 7.0)
    how = {"label": label, "prefix": PREFIX, "paper": rules == "paper", "tail": tail}
    expected = oracle.residual(inputs[1:], blocks[1:], 2, bias, astuple(numbers), **how)
    ours = method.window_features(CROP, rows)[0]
    torch.testing.assert_close(ours, patches(expected), rtol=1e-4, atol=1e-5)


def same(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize(("sigma", "bias"), [(1e6, torch.ones(30, 30)), (1e-3, torch.eye(30))])
def test_neighbourhoods_without_and_with_only_the_patch_itself(sigma, bias):
    """σ → ∞ raises all patch pairs alike, σ → 0 only the patch itself; CLS and registers never."""
    crops = torch.rand(2, 3, 80, 96)
    block = KeyKeyBlock(torch.nn.functional.pad(bias, (PREFIX, 0, PREFIX, 0)))
    same(NARADIO(RADIO, sigma=sigma).window_features(crops), RADIO.encode(crops, block).patches)


def test_no_neighbourhood_is_key_key_attention():
    crops = torch.rand(2, 3, 80, 96)
    ours = NARADIO(RADIO, sigma=None).window_features(crops)
    assert torch.equal(ours, RADIO.encode(crops, KeyKeyBlock()).patches)


def test_on_one_window_rayfronts_and_naradio_are_one():
    image = torch.rand(3, 96, 96)
    same(RayFronts(RADIO).encode([image])[0].values, NARADIO(RADIO, crop=None).encode([image])[0].values)


def test_resradio_without_residuals_is_naradio():
    plain = Residuals(gain=1.0, share=0.0, feedback_gain=1.0, feedback_share=0.0)
    image = torch.rand(3, 120, 150)
    ours = ResRADIO(RADIO, **SLIDING, residuals=plain).score([image], TEXT)[0]
    same(ours, row_cosine(NARADIO(RADIO, **SLIDING).encode([image])[0].values, TEXT.values))


def test_a_proxy_that_knows_only_the_patch_itself_leaves_each_its_own_value():
    """temperature → ∞: the MaskCLIP of RADIO, out(v) with residual and MLP."""
    sharp = ProxyRADIO(RADIO, temperature=1e6)

    def own_values(block, tokens):
        _, _, values = block.attention.project(block.norm1(tokens))
        return block.add_mlp(block.add_attention(tokens, block.attention.merge(values)))

    crops = torch.rand(2, 3, 64, 80)
    same(sharp.window_features(crops), RADIO.encode(crops, own_values).patches)


def test_a_proxy_that_knows_nothing_gives_every_patch_the_mean_value():
    blind = ProxyRADIO(RADIO, temperature=1e-6, threshold=-1e6, tail="reduced")
    mixed = blind.window_features(torch.rand(1, 3, 64, 80))[0]
    same(mixed, mixed[:1].expand_as(mixed))


def test_plain_radio_is_radseg_without_its_two_parts():
    image = torch.rand(3, 120, 150)
    bare = RADSeg(RADIO, **SLIDING, last_block=standard_block, aggregate=None)
    assert torch.equal(
        RadioMethod(RADIO, **SLIDING).encode([image])[0].values, bare.encode([image])[0].values
    )


def test_the_prompts_decide_what_resradio_attends_to():
    image, fewer = (
        torch.rand(3, 96, 96),
        replace(TEXT, names=("a", "b"), values=TEXT.values[:2], row_class=(0, 1)),
    )
    both, all_four = (ResRADIO(RADIO, **SLIDING).score([image], text)[0] for text in (fewer, TEXT))
    assert not torch.allclose(both, all_four[:2], atol=1e-4)


def test_text_of_another_space_is_refused():
    with pytest.raises(SpaceMismatchError):
        ResRADIO(RADIO, **SLIDING).score([torch.rand(3, 32, 32)], replace(TEXT, space="elsewhere"))


@pytest.mark.parametrize("name", ["dino_v2", "siglip3"])
def test_a_missing_teacher_is_named_with_those_there_are(name):
    with pytest.raises(InputError, match=rf"no feature head '{name}'.*it has: siglip2, sam"):
        ProxyRADIO(RADIO, teacher=name)


def test_resradio_is_a_scorer_and_nothing_else():
    assert not hasattr(ResRADIO(RADIO, **SLIDING), "encode")
