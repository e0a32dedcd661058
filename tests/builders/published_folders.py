"""Small Hugging Face folders, as published but for their size, written by the library's own classes."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from radseg.weights import catalog

NUMBERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small models pass for the catalogue's: their shapes are not compared."""
    monkeypatch.setattr(catalog, "ROWS", tuple(replace(row, shape=None) for row in catalog.ROWS))


def write(model, folder, drop=(), **more):
    folder.mkdir(exist_ok=True, parents=True)
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith(drop)}
    save_file(tensors | more, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    return folder


def clip_folder(folder, *, patch=16, width_out=20):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: PLC0415

    torch.manual_seed(3)
    config = CLIPVisionConfig(
        patch_size=patch, image_size=4 * patch, projection_dim=width_out, intermediate_size=48, **NUMBERS
    )
    return write(CLIPVisionModelWithProjection(config), folder)


def dino_folder(folder, *, patch=8, seed=4):
    from transformers import ViTConfig, ViTModel  # noqa: PLC0415

    torch.manual_seed(seed)
    config = ViTConfig(patch_size=patch, image_size=4 * patch, intermediate_size=48, **NUMBERS)
    return write(ViTModel(config), folder)


def dinov2_folder(folder):
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel  # noqa: PLC0415

    torch.manual_seed(5)
    config = Dinov2WithRegistersConfig(patch_size=14, image_size=56, **NUMBERS)
    return write(Dinov2WithRegistersModel(config), folder)


def sam_folder(folder):
    """SAM with the published decoder and a small encoder; 16 MB."""
    from transformers import SamConfig, SamModel, SamVisionConfig  # noqa: PLC0415

    torch.manual_seed(6)
    vision = SamVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, global_attn_indexes=[1], mlp_dim=48
    )
    model = SamModel(SamConfig(vision_config=vision))
    tied = "prompt_encoder.shared_embedding.positional_embedding"
    return write(model, folder, drop=(tied,))


def sam2_model():
    """Return the library's SAM 2 with a small encoder on a frame of 256 pixels."""
    from transformers import Sam2Config, Sam2Model  # noqa: PLC0415

    torch.manual_seed(7)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "num_attention_heads": 1,
        "image_size": [256, 256],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 14, 7],
        "global_attention_blocks": [3],
    }
    config = Sam2Config(
        vision_config={
            "backbone_config": backbone,
            "backbone_channel_list": [128, 64, 32, 16],
            "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={"image_size": 256, "hidden_size": 32},
        mask_decoder_config={"hidden_size": 32, "iou_head_hidden_dim": 32, "mlp_dim": 32},
    )
    return Sam2Model(config).eval()
