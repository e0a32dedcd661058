"""CLIP, DINO and DINOv2 against the classes of `transformers`: same weights, same numbers."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from radseg.errors import CheckpointError, ImageError, InputError, MissingFileError
from radseg.models.image_tower import load_image_tower
from radseg.nn.position import bicubic_grid, bicubic_offset_grid
from radseg.types import Size
from radseg.weights import catalog
from radseg.weights.catalog import Shape
from tower_builders import recombined

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
HUGE = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16}


def clip(patch, act, **numbers):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: PLC0415

    width = 4 * numbers["hidden_size"] if numbers["hidden_size"] > 32 else 48
    config = CLIPVisionConfig(
        patch_size=patch, projection_dim=20, intermediate_size=width, hidden_act=act, **numbers
    )
    return CLIPVisionModelWithProjection(config)


def dino(patch, **numbers):
    from transformers import ViTConfig, ViTModel  # noqa: PLC0415

    width = 4 * numbers["hidden_size"] if numbers["hidden_size"] > 32 else 48
    config = ViTConfig(patch_size=patch, intermediate_size=width, layer_norm_eps=1e-6, **numbers)
    return ViTModel(config, add_pooling_layer=True)


def dinov2(**numbers):
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel  # noqa: PLC0415

    numbers = {"image_size": 518} | numbers
    return Dinov2WithRegistersModel(Dinov2WithRegistersConfig(patch_size=14, **numbers))


SMALL_MODELS = {
    "clip-vit-b-16": lambda: clip(16, "quick_gelu", **SMALL),
    "clip-vit-h-14-laion2b": lambda: clip(14, "gelu", **{**SMALL, "image_size": 56}),
    "dino-vit-b-8": lambda: dino(8, **SMALL),
    "dinov2-vit-b-14-reg": lambda: dinov2(**{**SMALL, "image_size": 56}),
}
REAL_MODELS = {
    "clip-vit-b-16": lambda: clip(16, "quick_gelu", image_size=224, **BASE),
    "clip-vit-l-14": lambda: clip(14, "quick_gelu", image_size=224, **LARGE),
    "clip-vit-h-14-laion2b": lambda: clip(14, "gelu", image_size=224, **HUGE),
    "dino-vit-b-8": lambda: dino(8, image_size=224, **BASE),
    "dino-vit-b-16": lambda: dino(16, image_size=224, **BASE),
    "dinov2-vit-b-14-reg": lambda: dinov2(**BASE),
}


def seeded(model):
    """Give every parameter a value that matters; the library leaves some at zero."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim < 2:
                value.add_(0.1 * torch.randn_like(value))
            elif "embeddings" in name and "proj" not in name and "patch" not in name:
                value.normal_(std=0.3)
            else:
                value.normal_(std=value[0].numel() ** -0.5)
    return model.eval()


@pytest.fixture
def anything(monkeypatch):
    """Let small models pass for the catalogue's: their shapes are not compared."""
    for name in SMALL_MODELS:
        row = catalog.row(name)
        rows = tuple(replace(r, shape=None) if r is row else r for r in catalog.ROWS)
        monkeypatch.setattr(catalog, "ROWS", rows)


def write(model, folder, drop=(), **more):
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith(drop)}
    save_file(tensors | more, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    return folder


def library(model, network, images):
    """Return the library's patches after the final norm (and projection), positions as its own code does."""
    pixels = network.conditioner(images)
    if hasattr(model, "visual_projection"):
        hidden = model.vision_model(pixels, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
        return model.visual_projection(model.vision_model.post_layernorm(hidden))
    if hasattr(model.embeddings, "register_tokens"):
        return model(pixels).last_hidden_state[:, 5:]
    return model(pixels, interpolate_pos_encoding=True).last_hidden_state[:, 1:]


def ours(network, images):
    tokens = network.encode(images, recombined).patches
    return network.normalise(tokens) if network.projection is None else network.to_language(tokens)


def load(name, model, folder):
    """Load with positions as in `transformers`: bicubic to the size; the default is the published code's."""
    positions = None if name.startswith("dinov2") else "bicubic"
    return load_image_tower(name, write(model, folder), positions=positions)


@pytest.mark.usefixtures("anything")
@pytest.mark.parametrize("name", SMALL_MODELS)
@pytest.mark.parametrize("grid", [(4, 4), (3, 6)])
def test_small_tower_equals_the_librarys(name, grid, tmp_path):
    model = seeded(SMALL_MODELS[name]())
    network = load(name, model, tmp_path)
    images = torch.rand(2, 3, grid[0] * network.patch, grid[1] * network.patch)
    with torch.inference_mode():
        torch.testing.assert_close(ours(network, images), library(model, network, images), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL_MODELS)
def test_tower_of_real_size_equals_the_librarys(name, tmp_path):
    model = seeded(REAL_MODELS[name]())
    network = load(name, model, tmp_path)
    images = torch.rand(1, 3, 10 * network.patch, 12 * network.patch)
    with torch.inference_mode():
        expected = library(model, network, images)
        scale = expected.abs().max()
        torch.testing.assert_close(ours(network, images) / scale, expected / scale, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("anything")
def test_the_pickle_of_a_folder_gives_the_same_tower(tmp_path):
    model = seeded(SMALL_MODELS["dino-vit-b-8"]())
    (tmp_path / "safe").mkdir()
    (tmp_path / "pickle").mkdir()
    first = load_image_tower("dino-vit-b-8", write(model, tmp_path / "safe"))
    (tmp_path / "pickle" / "config.json").write_text(json.dumps(model.config.to_dict()))
    torch.save(model.state_dict(), tmp_path / "pickle" / "pytorch_model.bin")
    second = load_image_tower("dino-vit-b-8", tmp_path / "pickle")
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])


@pytest.mark.usefixtures("anything")
def test_published_names_of_dino_v1_are_understood(tmp_path):
    model = seeded(SMALL_MODELS["dino-vit-b-8"]())
    old = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    tensors = {}
    for key, value in model.state_dict().items():
        name = key.replace("layers.", "encoder.layer.") if key.startswith("layers.") else key
        for new, published in old.items():
            name = name.replace(new, published)
        tensors[name] = value.contiguous()
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    save_file(tensors, tmp_path / "old" / "model.safetensors")
    (tmp_path / "old" / "config.json").write_text(json.dumps(model.config.to_dict()))
    first = load_image_tower("dino-vit-b-8", tmp_path / "old").state_dict()
    second = load_image_tower("dino-vit-b-8", write(model, tmp_path / "new")).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in second)


@pytest.mark.usefixtures("anything")
def test_bad_folders_are_refused_with_the_reason(tmp_path):
    model = SMALL_MODELS["clip-vit-b-16"]()
    write(model, tmp_path, **{"vision_model.extra": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="holds 1 tensor.* does not know: vision_model.extra"):
        load_image_tower("clip-vit-b-16", tmp_path)
    with pytest.raises(CheckpointError, match="lacks"):
        load_image_tower("clip-vit-b-16", write(model, tmp_path, drop="vision_model.post_layernorm"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="model_type is 'bert'; clip"):
        load_image_tower("clip-vit-b-16", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="neither model.safetensors nor pytorch_model.bin"):
        load_image_tower("clip-vit-b-16", tmp_path)
    with pytest.raises(InputError, match="is no image tower but a RADIO model"):
        load_image_tower("c-radio_v3-b", tmp_path)


def test_a_folder_of_another_size_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not hold clip-vit-b-16: .* expected .768, 12, 12, 3072"):
        load_image_tower("clip-vit-b-16", write(SMALL_MODELS["clip-vit-b-16"](), tmp_path))


@pytest.mark.usefixtures("anything")
def test_a_tower_without_text_space_says_so(tmp_path):
    network = load_image_tower("dino-vit-b-8", write(SMALL_MODELS["dino-vit-b-8"](), tmp_path))
    with pytest.raises(CheckpointError, match="no text space"):
        _ = network.space
    with pytest.raises(ImageError, match="multiples of 8"):
        network.encode(torch.rand(1, 3, 20, 16))


def test_catalogue_shapes_are_the_published_ones():
    assert catalog.row("clip-vit-h-14-laion2b").shape == Shape(1280, 32, 16, 5120, 1, 0)
    assert {r.space for r in catalog.ROWS if r.name.startswith("clip-vit") and r.kind == "vision"} <= {
        r.name for r in catalog.ROWS if r.kind == "text"
    }


def test_official_positions_drift_from_the_librarys_by_little():
    field = torch.linspace(0, 1, 14)[:, None, None].expand(14, 14, 1).contiguous()
    exact, official = (f(field, Size(21, 28)) for f in (bicubic_grid, bicubic_offset_grid))
    assert torch.equal(bicubic_offset_grid(field, Size(14, 14)), field)
    drift = (exact - official).abs().max() * 13 * 21 / 14  # in patches of the new grid
    assert 0.03 < drift < 0.12
