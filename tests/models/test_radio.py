from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from builders import tiny_config, tiny_radio
from radseg.errors import CheckpointError, ImageError
from radseg.models.radio import Radio, build_radio, language_adaptor, load_radio
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig


def with_adaptors(*names_and_spaces):
    head = tiny_config().adaptors[0].summary
    adaptors = tuple(AdaptorConfig(n, 0, s, head, None) for n, s in names_and_spaces)
    return tiny_config(adaptors=adaptors)


def test_summary_and_patches_are_cut_apart_at_the_prefix():
    tokens = tiny_radio().encode(torch.rand(2, 3, 48, 32))
    assert tokens.patches.shape == (2, 6, 32)
    assert tokens.summary.shape == (2, 2, 32)
    assert tokens.grid == (3, 2)


def test_illegal_size_is_refused_with_the_nearest():
    with pytest.raises(ImageError, match="Nearest: 48×32"):
        tiny_radio().encode(torch.rand(1, 3, 50, 33))


def test_normalisation_happens_inside_exactly_once():
    radio, image = tiny_radio(), torch.rand(1, 3, 32, 32)
    expected = radio.vit((image - 0.5) / 0.3)[:, 5:]
    torch.testing.assert_close(radio.encode(image).patches, expected)


def test_language_is_the_cls_head_on_patches():
    radio, patches = tiny_radio(), torch.randn(1, 6, 32)
    assert torch.equal(radio.to_language(patches), radio.adaptors["siglip2"].summary(patches))
    assert radio.space == "siglip2-so400m-patch16-naflex"


def test_language_may_be_the_patch_head_on_patches(tmp_path):
    whole, patches = tiny_radio(), torch.randn(1, 6, 32)
    metadata = {"format": "radseg-radio/1", "config": whole.config.to_json()}
    save_file(whole.state_dict(), tmp_path / "radio.safetensors", metadata)
    radio = load_radio(tmp_path / "radio.safetensors", language_head="patch")
    assert torch.equal(radio.to_language(patches), whole.adaptors["siglip2"].features(patches))
    assert not torch.equal(radio.to_language(patches), whole.to_language(patches))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "there is none"),
        ({"width_out": 12}, "gives 12 values per patch and prompts have"),
        ({"kind": "attention"}, "does not map every patch by itself"),
        ({"upsample": 2}, "does not map every patch by itself"),
    ],
)
def test_a_patch_head_that_cannot_be_compared_with_text_is_refused(changes, message):
    adaptor = tiny_config().adaptors[0]
    head = None if changes is None else replace(adaptor.summary, **changes)
    config = tiny_config(adaptors=(replace(adaptor, features=head),))
    with pytest.raises(CheckpointError, match=message):
        Radio(config, language=adaptor.name, language_head="patch")


def test_newest_siglip_is_preferred_for_language():
    config = with_adaptors(("clip", "c"), ("siglip", "s"), ("siglip2-g", "g"), ("dino_v2", None))
    assert language_adaptor(config) == "siglip2-g"
    assert language_adaptor(with_adaptors(("dino_v2", None))) is None


def test_unknown_adaptor_lists_the_known_ones():
    with pytest.raises(CheckpointError, match="no adaptor 'sam'; it has: siglip2"):
        tiny_radio().to_teacher("sam", torch.randn(1, 6, 32))


def test_backbone_without_language_says_so():
    radio = build_radio(tiny_config(adaptors=()))
    with pytest.raises(CheckpointError, match="holds the backbone only"):
        radio.to_language(torch.randn(1, 2, 32))


@pytest.mark.parametrize("kind", ["mlp_v1", "mlp_v2", "attention"])
def test_every_head_kind_is_built_and_runs(kind):
    head = HeadConfig(
        kind,
        width_in=32,
        hidden=24,
        width_out=20,
        blocks=2,
        attention_blocks=2,
        attention_heads=4,
        attention_mlp=40,
    )
    config = tiny_config(
        adaptors=(AdaptorConfig("siglip2", 1, "s", tiny_config().adaptors[0].summary, head),)
    )
    assert build_radio(config).to_teacher("siglip2", torch.randn(2, 6, 32)).shape == (2, 6, 20)


def test_upsampling_head_emits_more_channels():
    head = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=20, blocks=1, upsample=2)
    config = tiny_config(adaptors=(AdaptorConfig("sam", 1, None, None, head),))
    assert build_radio(config).to_teacher("sam", torch.randn(1, 6, 32)).shape == (1, 6, 80)


def test_normaliser_standardises_patches_only():
    radio = tiny_radio(normalizer=True)
    radio.normalizer.transform.mul_(2)
    plain = tiny_radio()
    plain.load_state_dict({k: v for k, v in radio.state_dict().items() if not k.startswith("normalizer")})
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(radio.encode(image).patches, 2 * plain.encode(image).patches)
    torch.testing.assert_close(radio.encode(image).summary, plain.encode(image).summary)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_leaves_the_conditioner_exact(dtype, tmp_path):
    radio = tiny_radio()
    radio.conditioner.mean.fill_(0.48145466)
    file = tmp_path / "tiny.safetensors"
    metadata = {"format": "radseg-radio/1", "config": radio.config.to_json()}
    save_file(radio.state_dict(), file, metadata)
    half = load_radio(file, dtype=dtype)
    assert half.dtype == dtype
    assert torch.equal(half.conditioner.mean, radio.conditioner.mean)
    assert half.encode(torch.rand(1, 3, 32, 32)).patches.dtype == dtype


def test_only_what_is_asked_for_is_loaded(tmp_path):
    radio, file = tiny_radio(), tmp_path / "tiny.safetensors"
    save_file(radio.state_dict(), file, {"format": "radseg-radio/1", "config": radio.config.to_json()})
    assert load_radio(file).adaptors["siglip2"].features is None
    assert load_radio(file, adaptors=("siglip2",)).adaptors["siglip2"].features is not None


def test_configuration_survives_json():
    assert RadioConfig.from_json(tiny_config().to_json()) == tiny_config()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', tiny_config().to_json()[:-9]])
def test_broken_configuration_is_refused(text):
    with pytest.raises(CheckpointError, match="holds no RADIO configuration"):
        RadioConfig.from_json(text)
