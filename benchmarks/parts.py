"""Every network a preset needs, at its real size with random weights, by its name in the catalogue."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.models import BASE, random_radio
from radseg.models.image_tower import ImageTower, build_image_tower
from radseg.models.sam import SamDecoder, build_sam
from radseg.models.sam2 import Sam2, build_sam2
from radseg.models.sam_encoder import WholeSam, build_sam_encoder
from radseg.weights import catalog
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig, SamSizes
from radseg.weights.vit_config import VitConfig

LANGUAGE_WIDTHS = {catalog.OPENAI_B: 512, catalog.OPENAI_L: 768, catalog.LAION_H: 1024}
TEACHER_WIDTHS = {"sam": 1280, "dino_v2": 1536}  # SAM ViT-H, DINOv2-g
POSITIONS_OF = {"dinov2-vit-b-14-reg": 37}  # side of the learned field; the others were trained at 224 pixels


def random_part(name: str, teachers: Iterable[str] | None = None) -> Any:
    """Return the network behind a catalogue name.

    Args:
        teachers: heads of a RADIO beside its language; None is a RADIO without language.
    """
    torch.manual_seed(0)
    row = catalog.row(name)
    if row.kind == "radio":
        return random_radio(replace(BASE, adaptors=()) if teachers is None else with_heads(BASE, teachers))
    if row.kind == "vision":
        return random_tower(row)
    return random_sam2(name) if name.startswith("sam2") else random_sam(row)


def with_heads(config: RadioConfig, teachers: Iterable[str]) -> RadioConfig:
    """Return the configuration with adaptors of the published sizes that imitate other encoders."""
    heads = {one: HeadConfig("mlp_v2", config.width, 1520, TEACHER_WIDTHS[one], 2) for one in teachers}
    more = (AdaptorConfig(one, 3, None, None, head) for one, head in heads.items())
    return replace(config, adaptors=(*config.adaptors, *more))


def random_tower(row: catalog.Row) -> ImageTower:
    """Return an image tower of CLIP or DINO."""
    assert row.shape is not None
    clip = row.space is not None
    config = VitConfig(
        name=row.name,
        width=row.shape.width,
        depth=row.shape.depth,
        heads=row.shape.heads,
        mlp_width=row.shape.mlp_width,
        patch=row.patch,
        position_grid=POSITIONS_OF.get(row.name, 224 // row.patch),
        registers=row.shape.registers or 0,
        layer_scale=row.name.startswith("dinov2"),
        activation="quick_gelu" if clip else "gelu",
        norm_eps=1e-5 if clip else 1e-6,
        patch_bias=not clip,
        pre_norm=clip,
        positions="bicubic-offset",
        language_width=LANGUAGE_WIDTHS.get(row.space or "", 0),
        space=row.space,
    )
    tower = build_image_tower(config)
    _scale(tower.parameters())
    nn.init.constant_(tower.conditioner.std, 0.27)
    return tower.requires_grad_(False)


def random_sam(row: catalog.Row) -> WholeSam:
    """Return a whole SAM with the image encoder of `row`."""
    from transformers import SamVisionConfig  # noqa: PLC0415
    from transformers.models.sam.modeling_sam import SamVisionEncoder  # noqa: PLC0415

    assert row.shape is not None
    depth = row.shape.depth
    config = SamVisionConfig(
        hidden_size=row.shape.width,
        num_hidden_layers=depth,
        num_attention_heads=row.shape.heads,
        mlp_dim=row.shape.mlp_width,
        global_attn_indexes=[depth // 4 * (i + 1) - 1 for i in range(4)],
    )
    encoder = SamVisionEncoder(config)
    _scale(encoder.parameters())
    state = {k: v for k, v in encoder.state_dict().items() if not k.startswith("neck.")}
    sizes = SamSizes(features=row.shape.width)
    return WholeSam(build_sam_encoder(config.to_dict(), state), random_decoder(sizes))


def random_decoder(sizes: SamSizes) -> SamDecoder:
    """Return SAM without its image encoder."""
    torch.manual_seed(0)
    return build_sam(SamDecoder(sizes).state_dict(), sizes)


HIERA: dict[str, dict[str, Any]] = {
    "sam2.1-hiera-b+": {
        "hidden_size": 112,
        "window_positional_embedding_background_size": [14, 14],
        "blocks_per_stage": [2, 3, 16, 3],
        "window_size_per_stage": [8, 4, 14, 7],
        "global_attention_blocks": [12, 16, 20],
    },
    "sam2.1-hiera-l": {
        "hidden_size": 144,
        "window_positional_embedding_background_size": [7, 7],
        "blocks_per_stage": [2, 6, 36, 4],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    },
}
"""What the encoders of SAM 2.1 differ in (arXiv 2408.00714, its published configurations)."""


def random_sam2(name: str) -> Sam2:
    """Return SAM 2.1 with the encoder of this size."""
    from transformers import Sam2Config, Sam2Model  # noqa: PLC0415

    numbers = HIERA[name]
    widths = [numbers["hidden_size"] * 2**stage for stage in range(4)]
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "num_attention_heads": 2,
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        **numbers,
    }
    vision = {"backbone_config": backbone, "backbone_channel_list": widths[::-1]}
    model = Sam2Model(Sam2Config(vision_config=vision))
    return build_sam2(model.config.to_dict(), model.state_dict())


def count(networks: Iterable[Any]) -> int:
    """Return the number of parameters of networks that look at images; each counts once."""
    seen: dict[int, int] = {}
    for network in networks:
        parts = (network.encoder, network.decoder) if isinstance(network, WholeSam) else (network,)
        for part in parts:
            seen |= {id(p): p.numel() for p in part.parameters()}
    return sum(seen.values())


def _scale(parameters: Iterable[nn.Parameter]) -> None:
    """Give matrices fan-in scaled values, so that activations stay finite."""
    with torch.no_grad():
        for parameter in parameters:
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
