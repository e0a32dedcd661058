"""Published RADIO checkpoints become one form, and both layouts the same one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from radseg.errors import CheckpointError, MissingFileError
from radseg.models.radio import build_radio
from radseg.weights.config import RadioConfig
from radseg.weights.convert.layouts import sort_pth
from radseg.weights.convert.radio import assemble, convert_checkpoint, convert_folder

Save = Callable[..., Path]


def test_both_layouts_of_the_golden_model_hold_the_same_numbers(shared: Path) -> None:
    golden = shared / "golden" / "2d"
    half = convert_checkpoint(golden / "radio_tiny_half.pth.tar", version="c-radio_v3-b")
    full = convert_folder(golden / "radio_tiny_hf")
    assert len(full.tensors) == 87  # backbone, conditioner and two adaptors; the pickle has four
    for key, tensor in full.tensors.items():
        assert half.tensors[key].dtype == torch.float16
        assert torch.equal(half.tensors[key].float(), tensor), key


def test_golden_configuration_is_the_manifests(shared: Path) -> None:
    golden = shared / "golden" / "2d"
    facts = json.loads((golden / "manifest.json").read_text())["weights"]["tiny"]
    config = convert_checkpoint(golden / "radio_tiny_half.pth.tar", version="x").config
    assert [a.name for a in config.adaptors] == facts["teachers"]
    assert (config.width, config.depth, config.heads) == (
        facts["embed_dim"],
        facts["depth"],
        facts["num_heads"],
    )
    assert (config.cls_tokens, config.registers) == (facts["cls_tokens"], facts["registers"])
    assert (config.patch, config.position_grid) == (facts["patch"], facts["pos_grid"])
    summary = config.adaptor("siglip2").summary
    assert summary is not None
    assert summary.width_out == facts["text_dim"]
    assert config.adaptor("siglip2").space == "siglip2-so400m-patch16-naflex"


def test_base_keys_of_the_golden_set_are_all_known(shared: Path, build: Any) -> None:
    shapes = json.loads((shared / "golden" / "2d" / "keys_base.json").read_text())
    changes = {"model_kwargs": {"embed_dim": 768, "depth": 12}, "cpe_max_size": 2048}
    teachers = [{"name": n} for n in ("clip", "siglip2", "dino_v2", "sam")]

    state = {k: torch.empty(s, dtype=torch.float16, device="meta") for k, s in shapes.items()}
    checkpoint = {"state_dict": state, "args": build.arguments(**changes, teachers=teachers)}
    model = assemble(sort_pth(checkpoint, "keys only", "c-radio_v3-b"))
    assert (model.config.width, model.config.heads, model.config.position_grid) == (768, 12, 128)
    assert len(model.tensors) + len(model.dropped) == len(shapes)


@pytest.mark.parametrize("keys", [("clip", "siglip2", "sam"), ("0", "1", "2")])
def test_heads_are_found_by_name_and_by_index(save: Save, build: Any, keys: tuple[str, ...]) -> None:
    tensors = build.state(keys)
    model = convert_checkpoint(save(tensors), version="x")
    assert [a.name for a in model.config.adaptors] == ["clip", "siglip2", "sam"]
    ours = model.tensors["adaptors.siglip2.summary.blocks.0.fc.weight"]
    assert torch.equal(ours, tensors[f"_heads.{keys[1]}.blocks.0.2.weight"])
    patch_head = model.tensors["adaptors.siglip2.features.blocks.0.fc.weight"]
    assert torch.equal(patch_head, tensors[f"_feature_projections.{keys[1]}.blocks.0.2.weight"])


def test_both_layouts_built_here_agree(save: Save, save_folder: Save, build: Any) -> None:
    tensors = build.state()
    pickled = convert_checkpoint(save(tensors), version="c-radio_v3-b")
    folder = convert_folder(save_folder(build.to_folder(tensors)))
    assert folder.config == pickled.config
    for key, tensor in pickled.tensors.items():
        assert torch.equal(tensor, folder.tensors[key]), key


def test_names_that_begin_alike_are_told_apart(save: Save, build: Any) -> None:
    teachers = [build.teacher("siglip2", "siglip2-so400m"), build.teacher("siglip2-g", "siglip2-g-384")]
    model = convert_checkpoint(
        save(build.state(("siglip2", "siglip2-g")), teachers=teachers, register_multiple=8), version="x"
    )
    widths = [a.summary.width_out for a in model.config.adaptors if a.summary]
    assert widths == [10, 11]
    assert [a.space for a in model.config.adaptors] == [
        "siglip2-so400m-patch16-naflex",
        "siglip2-giant-opt-patch16-384",
    ]


def test_index_one_is_not_index_ten(save: Save, build: Any) -> None:
    teachers = [build.teacher(f"t{i}") for i in range(11)]
    keys = tuple(str(i) for i in range(11))
    model = convert_checkpoint(save(build.state(keys, prefix_tokens=16), teachers=teachers), version="x")
    assert [a.summary.width_out for a in model.config.adaptors if a.summary] == list(range(10, 21))


def test_the_teachers_model_decides_the_text_space(save: Save, build: Any) -> None:
    teachers = [build.teacher("siglip2", "siglip2-g-384")]
    model = convert_checkpoint(save(build.state(("siglip2",)), teachers=teachers), version="x")
    assert model.config.adaptor("siglip2").space == "siglip2-giant-opt-patch16-384"


@pytest.mark.parametrize(
    ("changes", "registers"),
    [
        ({"cpe_num_registers": 5, "register_multiple": 8}, 5),
        ({"register_multiple": 8}, 5),
        ({"register_multiple": 3}, 3),  # 3 CLS tokens are a multiple of 3: a full multiple is added
        ({"register_multiple": None}, 0),
        ({"cpe_num_registers": 0, "register_multiple": 8}, 5),  # 0 is taken as not said
        ({"cpe_num_registers": 0, "register_multiple": 0}, 0),
    ],
)
def test_register_rule(save: Save, build: Any, changes: dict[str, Any], registers: int) -> None:
    model = convert_checkpoint(save(build.state(prefix_tokens=3 + registers), **changes), version="x")
    assert (model.config.cls_tokens, model.config.registers) == (3, registers)


def test_summary_tokens_are_the_teachers_that_use_theirs(save: Save) -> None:
    config = convert_checkpoint(save(), version="x").config
    assert config.summary_tokens == (0, 1)
    assert [a.token for a in config.adaptors] == [0, 1, 2]


def test_token_slot_wins_over_the_place_in_the_list(save: Save, build: Any) -> None:
    teachers = [
        build.teacher("clip"),
        build.teacher("siglip2", "siglip2-so400m", token_slot=0),
        build.teacher("sam"),
    ]
    assert convert_checkpoint(save(teachers=teachers), version="x").config.adaptor("siglip2").token == 0


def test_a_teacher_listed_twice_counts_once(save: Save, build: Any) -> None:
    teachers = [build.teacher("clip"), build.teacher("siglip2"), build.teacher("clip")]
    tensors = build.state(("0", "1", "2"))
    config = convert_checkpoint(save(tensors, teachers=teachers, register_multiple=8), version="x").config
    assert config.cls_tokens + config.registers == 8
    assert [a.name for a in config.adaptors] == ["clip", "siglip2"]
    assert config.summary_tokens == (0, 1)


def test_the_moving_average_is_preferred(tmp_path: Path, save: Save, build: Any) -> None:
    path = save(build.state(), ema=True)
    content = torch.load(path, weights_only=False)
    content["state_dict"] = {k: v + 1 for k, v in content["state_dict_ema"].items()}
    torch.save(content, path)
    prefix = convert_checkpoint(path, version="x").tensors["vit.prefix"]
    assert torch.equal(prefix, content["state_dict_ema"]["base_model.patch_generator.cls_token.token"])


def test_a_module_prefix_is_stripped(save: Save, build: Any) -> None:
    plain = convert_checkpoint(save(build.state()), version="x")
    wrapped = save({f"module.{k}": v for k, v in build.state().items()}, name="wrapped.pth.tar")
    again = convert_checkpoint(wrapped, version="x")
    assert again.config == plain.config
    assert all(torch.equal(t, plain.tensors[k]) for k, t in again.tensors.items())


def test_heads_of_version_1(save: Save, build: Any) -> None:
    tensors = {k: v for k, v in build.state().items() if not k.startswith("_heads.siglip2")}
    tensors |= build.mlp_v1("_heads.siglip2.", 12)
    model = convert_checkpoint(save(tensors), version="x")
    head = model.config.adaptor("siglip2").summary
    assert head is not None
    assert (head.kind, head.blocks, head.width_out) == ("mlp_v1", 2, 12)
    ours = model.tensors["adaptors.siglip2.summary.blocks.1.norm.bias"]
    assert torch.equal(ours, tensors["_heads.siglip2.inner.4.bias"])


def test_attention_heads_get_the_zero_bias_their_publisher_leaves_out(save: Save, build: Any) -> None:
    tensors = {k: v for k, v in build.state().items() if not k.startswith("_feature_projections.siglip2")}
    tensors |= build.attention_head("_feature_projections.siglip2.", 12)
    model = convert_checkpoint(save(tensors), version="x")
    head = model.config.adaptor("siglip2").features
    assert head is not None
    assert (head.kind, head.attention_blocks, head.attention_heads, head.blocks) == ("attention", 2, 16, 0)
    assert not model.tensors["adaptors.siglip2.features.blocks.1.attention.qkv.bias"].any()


def test_upsampling_heads_count_channels_per_fine_patch(save: Save, build: Any) -> None:
    tensors = {k: v for k, v in build.state().items() if not k.startswith("_feature_projections.sam")}
    tensors |= build.mlp_v2("_feature_projections.sam.", 4 * 7)
    teachers = [build.teacher("clip"), build.teacher("siglip2"), build.teacher("sam", fd_upsample_factor=2)]
    head = convert_checkpoint(save(tensors, teachers=teachers), version="x").config.adaptor("sam").features
    assert head is not None
    assert (head.upsample, head.width_out) == (2, 7)


def test_feature_normaliser_is_kept(save: Save, build: Any) -> None:
    tensors = build.state() | {
        "_feature_normalizer.mean": torch.rand(32),
        "_feature_normalizer.tx": torch.eye(32),
    }
    model = convert_checkpoint(save(tensors), version="x")
    assert model.config.normalizer
    assert torch.equal(model.tensors["normalizer.transform"], torch.eye(32))


@pytest.mark.parametrize("version", [1, 2, None])
def test_spectral_weights_are_what_torch_computes(save: Save, build: Any, version: int | None) -> None:
    torch.manual_seed(1)
    tensors = build.state()
    weight = tensors.pop("base_model.blocks.0.mlp.fc1.weight")
    u, v, scale = torch.randn(weight.shape[0]), torch.randn(weight.shape[1]), torch.randn(1, 4)
    key = "base_model.blocks.0.mlp.fc1.parametrizations.weight"
    tensors |= {f"{key}.original": weight, f"{key}.0._u": u, f"{key}.0._v": v, f"{key}.0.scale": scale}
    if version:
        tensors[f"{key}.0._sn_version"] = torch.tensor(version)
    sigma = torch.dot(u.double(), weight.double() @ v.double()) + 1e-6
    strength = (
        torch.nn.functional.softplus(scale[0, 0].double()) + 0.05 if version == 2 else scale[0, 0].double()
    )
    expected = (weight.double() * strength / sigma).float()
    found = convert_checkpoint(save(tensors, spectral_reparam=True), version="x")
    torch.testing.assert_close(found.tensors["vit.blocks.0.mlp.up.weight"], expected, rtol=1e-5, atol=1e-6)


def test_spectral_parts_scale_queries_keys_and_values_apart(save: Save, build: Any) -> None:
    tensors = build.state()
    weight = tensors.pop("base_model.blocks.0.attn.qkv.weight")
    key = "base_model.blocks.0.attn.qkv.parametrizations.weight"
    tensors[f"{key}.original"] = weight
    for i in (0, 1):  # the values are left as they are
        one = torch.zeros(32)
        one[0] = 1.0
        tensors |= {f"{key}.0.parts.{i}._u": one, f"{key}.0.parts.{i}._v": one}
        tensors[f"{key}.0.parts.{i}.scale"] = torch.tensor([[float(i + 2)]])
    found = convert_checkpoint(save(tensors, spectral_reparam={"eps": 0.0}), version="x")
    q, k, v = found.tensors["vit.blocks.0.attention.qkv.weight"].chunk(3)
    for ours, theirs, scale in ((q, weight[:32], 2.0), (k, weight[32:64], 3.0)):
        torch.testing.assert_close(ours, theirs * (scale / theirs[0, 0]))
    assert torch.equal(v, weight[64:])


def test_unknown_tensors_are_listed_and_can_be_dropped_by_name(save: Save, build: Any) -> None:
    path = save(build.state() | {"base_model.surprise.weight": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"1 tensor.*base\.surprise\.weight"):
        convert_checkpoint(path, version="x")
    assert "base.surprise.weight" in convert_checkpoint(path, version="x", drop=("base.surprise.",)).dropped


@pytest.mark.parametrize("said", [True, False])
def test_scaled_norms_are_in_the_arguments_alone(
    save: Save, save_folder: Save, build: Any, said: bool
) -> None:
    kwargs = {"model_kwargs": build.arguments()["model_kwargs"] | {"scaled_ln": said}}
    tensors = build.state()
    for model in (
        convert_checkpoint(save(tensors, **kwargs), version="x"),
        convert_folder(save_folder(build.to_folder(tensors), **kwargs)),
    ):
        assert model.config.scaled_norms is said
        network = build_radio(model.config)
        assert network.state_dict().keys() == model.tensors.keys()
        assert [getattr(b.norm2, "scale", 1.0) for b in network.vit.blocks] == [
            1.0,
            0.5**0.5 if said else 1.0,
        ]


def test_configuration_survives_its_json(save: Save) -> None:
    config = convert_checkpoint(save(), version="c-radio_v3-b").config
    assert RadioConfig.from_json(config.to_json()) == config


def test_backbone_only_folder_names_the_file_with_the_heads(save_folder: Save, build: Any) -> None:
    tensors = {k: v for k, v in build.to_folder(build.state()).items() if ".adaptors." not in k}
    config = convert_folder(save_folder(tensors)).config
    with pytest.raises(CheckpointError, match=r"backbone only.*c-radio_v3-b_half\.pth\.tar"):
        config.adaptor("siglip2")


def test_folder_without_config_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"has no config\.json"):
        convert_folder(tmp_path)


def test_summary_indices_that_contradict_the_arguments_are_refused(save_folder: Save, build: Any) -> None:
    tensors = build.to_folder(build.state()) | {"radio_model.summary_idxs": torch.tensor([0, 2])}
    with pytest.raises(CheckpointError, match="summary_idxs"):
        convert_folder(save_folder(tensors))


def odd_head(build: Any, name: str) -> Any:
    return build.state() | {f"_heads.{name}.surprise.weight": torch.zeros(2)}


def test_a_head_that_is_not_understood_can_be_dropped(save: Save, build: Any) -> None:
    path = save(odd_head(build, "siglip2"))
    name = "adaptors.siglip2.summary.surprise.weight"
    with pytest.raises(CheckpointError, match=re.escape(name)):
        convert_checkpoint(path, version="x")
    model = convert_checkpoint(path, version="x", drop=(name,))
    assert model.config.adaptor("siglip2").summary is not None
    assert name in model.dropped


def test_a_whole_adaptor_can_be_dropped(save: Save, build: Any) -> None:
    model = convert_checkpoint(save(odd_head(build, "sam")), version="x", drop=("adaptors.sam.",))
    assert [a.name for a in model.config.adaptors] == ["clip", "siglip2"]
    assert not [k for k in model.tensors if ".sam." in k]


@pytest.mark.parametrize("key", ["surprise.weight", "final.0.weight.parametrizations.weight.original"])
def test_an_adaptor_nobody_uses_does_not_block_the_model(save: Save, build: Any, key: str) -> None:
    teachers = [build.teacher("clip", "unknown"), build.teacher("siglip2", "siglip2-so400m")]
    tensors = build.state(("clip", "siglip2")) | {f"_heads.clip.{key}": torch.zeros(2)}
    with pytest.warns(UserWarning, match="adaptor 'clip' is left out"):
        model = convert_checkpoint(
            save(tensors, teachers=teachers, register_multiple=None, cpe_num_registers=6), version="x"
        )
    assert [a.name for a in model.config.adaptors] == ["siglip2"]
    assert not [k for k in model.tensors if "clip" in k]
    assert f"adaptors.clip.summary.{key}" in model.dropped


def test_the_sam_adaptor_is_needed_as_a_language_is(save: Save, build: Any) -> None:
    with pytest.raises(CheckpointError, match=r"adaptors\.sam\.summary\.surprise"):
        convert_checkpoint(save(odd_head(build, "sam")), version="x")


def test_an_expanded_tensor_is_its_values(save: Save, build: Any) -> None:
    tensors = build.state() | {"input_conditioner.norm_std": torch.full((1, 1, 1), 0.5).expand(3, 1, 1)}
    found = convert_checkpoint(save(tensors), version="x").tensors["conditioner.std"]
    assert found.tolist() == [0.5, 0.5, 0.5]
