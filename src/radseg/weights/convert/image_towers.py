"""CLIP's and DINO's image towers from Hugging Face folders (transformers naming) to our names, strictly."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.files import shortened
from radseg.weights.catalog import Row
from radseg.weights.convert.rename import Rule, needed, renamed, translate
from radseg.weights.shapes import require_tensors
from radseg.weights.vit_config import VitConfig, tower_shapes

_W = r"\.(weight|bias)"
_needed = partial(needed, what="image tower")
_LAYER = r"(?:encoder\.)?layers?\.(\d+)\."

CLIP = (
    Rule(r"vision_model\.embeddings\.class_embedding", "cls"),
    Rule(r"vision_model\.embeddings\.position_embedding\.weight", "positions"),
    Rule(r"vision_model\.embeddings\.patch_embedding\.weight", "vit.patch_embed.weight"),
    Rule(rf"vision_model\.pre_layrnorm{_W}", r"vit.pre_norm.\1"),
    Rule(rf"vision_model\.post_layernorm{_W}", r"norm.\1"),
    Rule(r"visual_projection\.weight", "projection.weight"),
    Rule(rf"vision_model\.{_LAYER}layer_norm([12]){_W}", r"vit.blocks.\1.norm\2.\3"),
    Rule(rf"vision_model\.{_LAYER}self_attn\.([qkv])_proj{_W}", r"vit.blocks.\1.\2.\3"),
    Rule(rf"vision_model\.{_LAYER}self_attn\.out_proj{_W}", r"vit.blocks.\1.attention.out.\2"),
    Rule(rf"vision_model\.{_LAYER}mlp\.fc1{_W}", r"vit.blocks.\1.mlp.up.\2"),
    Rule(rf"vision_model\.{_LAYER}mlp\.fc2{_W}", r"vit.blocks.\1.mlp.down.\2"),
)
"""The publisher's own "pre_layrnorm" is spelt so."""

DINO = (
    Rule(r"embeddings\.cls_token", "cls"),
    Rule(r"embeddings\.register_tokens", "registers"),
    Rule(r"embeddings\.position_embeddings", "positions"),
    Rule(rf"embeddings\.patch_embeddings\.projection{_W}", r"vit.patch_embed.\1"),
    Rule(rf"layernorm{_W}", r"norm.\1"),
    Rule(rf"{_LAYER}(?:layernorm_before|norm1){_W}", r"vit.blocks.\1.norm1.\2"),
    Rule(rf"{_LAYER}(?:layernorm_after|norm2){_W}", r"vit.blocks.\1.norm2.\2"),
    Rule(rf"{_LAYER}attention\.attention\.(q|k|v)(?:uery|ey|alue){_W}", r"vit.blocks.\1.\2.\3"),
    Rule(rf"{_LAYER}attention\.([qkv])_proj{_W}", r"vit.blocks.\1.\2.\3"),
    Rule(rf"{_LAYER}attention\.(?:output\.dense|o_proj){_W}", r"vit.blocks.\1.attention.out.\2"),
    Rule(rf"{_LAYER}(?:intermediate\.dense|mlp\.fc1){_W}", r"vit.blocks.\1.mlp.up.\2"),
    Rule(rf"{_LAYER}(?:output\.dense|mlp\.fc2){_W}", r"vit.blocks.\1.mlp.down.\2"),
    Rule(rf"{_LAYER}layer_scale([12])\.lambda1", r"vit.blocks.\1.scale\2"),
)
"""DINO v1 (ViTModel) and DINOv2 (Dinov2WithRegistersModel), as published and as named by the library now."""


@dataclass(frozen=True)
class Layout:
    """How one family is published, and the numbers no tensor shows.

    Attributes:
        dropped: keys that belong to another part, by pattern: text tower, pooler, mask token.
        norm_eps: of the training code. Differs from the library's config of DINO v1, which says 1e-12.
        mean, std: of the input in [0, 1].
    """

    rules: Sequence[Rule]
    dropped: str
    norm_eps: float
    positions: Literal["bicubic-offset", "bicubic-antialiased"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_CLIP = Layout(
    CLIP, r"text_model\..+|text_projection\..+|logit_scale|.*position_ids", 1e-5, "bicubic-offset", *_OPENAI
)
LAYOUTS = {
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "vit": Layout(DINO, r"pooler\..+", 1e-6, "bicubic-offset", *_IMAGENET),
    "dinov2_with_registers": Layout(DINO, r"embeddings\.mask_token", 1e-6, "bicubic-antialiased", *_IMAGENET),
}
"""By `model_type` of the folder's config.json."""


def convert_tower(
    published: Mapping[str, Tensor], description: Mapping[str, Any], row: Row, file: str
) -> tuple[VitConfig, dict[str, Tensor]]:
    """Return the configuration of an image tower and its tensors under our names.

    Args:
        published: every tensor of the folder.
        description: its config.json.
        row: what the weights are meant to be; decides the text space.

    Raises:
        CheckpointError: unknown family, unknown or missing tensors, or shapes other than the row's.
    """
    kind = str(description.get("model_type"))
    if kind not in LAYOUTS:
        raise CheckpointError(f"{file}: model_type is {kind!r}; {', '.join(LAYOUTS)} can be converted.")
    layout = LAYOUTS[kind]
    plain = renamed(published, partial(translate, rules=layout.rules), file, dropped=layout.dropped)
    vision = description.get("vision_config", description)
    try:
        config = _configure(plain, vision, layout, row, file)
        tensors = _assemble(plain, config, layout, file)
    except CheckpointError:
        raise
    except Exception as error:  # odd shapes and an odd description break what puts them together anywhere
        reason = shortened(f"{type(error).__name__}: {error}")
        raise CheckpointError(f"{file} is not laid out as its config.json says: {reason}.") from error
    require_tensors(tower_shapes(config), tensors, file)
    _require_row(config, row, file)
    return config, tensors


def _configure(
    plain: Mapping[str, Tensor], vision: Mapping[str, Any], layout: Layout, row: Row, file: str
) -> VitConfig:
    embed = _needed(plain, "vit.patch_embed.weight", file)
    width, patch = embed.shape[0], embed.shape[-1]
    positions = _needed(plain, "positions", file).shape[-2]
    projection = plain.get("projection.weight")
    # The library's own default where a published CLIP config leaves the activation out.
    activation = vision.get("hidden_act", "quick_gelu" if layout is _CLIP else "gelu")
    if activation not in ("gelu", "quick_gelu"):
        raise CheckpointError(f"{file}: hidden_act is {activation!r}; gelu and quick_gelu are known.")
    return VitConfig(
        name=row.name,
        width=width,
        depth=len({k.split(".")[2] for k in plain if k.startswith("vit.blocks.")}),
        heads=int(vision.get("num_attention_heads", 12)),
        mlp_width=_needed(plain, "vit.blocks.0.mlp.up.weight", file).shape[0],
        patch=patch,
        position_grid=math.isqrt(positions - 1),
        registers=plain["registers"].shape[-2] if "registers" in plain else 0,
        layer_scale="vit.blocks.0.scale1" in plain,
        activation=activation,
        norm_eps=layout.norm_eps,
        patch_bias="vit.patch_embed.bias" in plain,
        pre_norm="vit.pre_norm.weight" in plain,
        positions=layout.positions,
        language_width=0 if projection is None else projection.shape[0],
        space=None if projection is None else row.space,
    )


def _assemble(plain: Mapping[str, Tensor], config: VitConfig, layout: Layout, file: str) -> dict[str, Tensor]:
    """Return our tensors: queries, keys and values fused, the class token with its position folded in."""
    special = {"cls", "registers", "positions"}
    tensors = {k: t for k, t in plain.items() if k not in special and not re.search(r"\.\d+\.[qkv]\.", k)}
    embed, width = plain["vit.patch_embed.weight"], config.width
    if math.prod(embed.shape) != width * 3 * config.patch**2:
        raise CheckpointError(
            f"{file}: the patch projection has shape {tuple(embed.shape)}, which is no square."
        )
    tensors["vit.patch_embed.weight"] = embed.reshape(width, 3 * config.patch**2)
    for i in range(config.depth):
        for part in ("weight", "bias"):
            parts = [_needed(plain, f"vit.blocks.{i}.{name}.{part}", file) for name in "qkv"]
            tensors[f"vit.blocks.{i}.attention.qkv.{part}"] = torch.cat(parts)
    cls, positions = _needed(plain, "cls", file), plain["positions"]
    if math.prod(positions.shape) != (config.position_grid**2 + 1) * width:
        raise CheckpointError(
            f"{file}: {tuple(positions.shape)} positions make no square and one class token."
        )
    positions = positions.reshape(-1, width)
    # The class token always has the same position, so the two are one parameter.
    prefix = [cls.reshape(1, width) + positions[:1]]
    if "registers" in plain:
        prefix.append(plain["registers"].reshape(config.registers, width))
    tensors["vit.prefix"] = torch.cat(prefix)
    tensors["vit.position"] = positions[1:].reshape(config.position_grid, config.position_grid, width)
    tensors["conditioner.mean"] = torch.tensor(layout.mean)
    tensors["conditioner.std"] = torch.tensor(layout.std)
    return tensors


def _require_row(config: VitConfig, row: Row, file: str) -> None:
    if row.shape is None:
        return
    found = (config.width, config.depth, config.heads, config.mlp_width, config.patch)
    expected = (row.shape.width, row.shape.depth, row.shape.heads, row.shape.mlp_width, row.patch)
    if found != expected:
        raise CheckpointError(
            f"{file} does not hold {row.name}: width, depth, heads, MLP width and patch are {found}, "
            f"expected {expected}."
        )
