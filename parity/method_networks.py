"""Small networks of the golden cases of methods, from weights under their published names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from parity.methods_golden_set import MethodCase
from radseg.models.image_tower import ImageTower
from radseg.models.radio import Radio
from radseg.models.sam import SamDecoder, build_sam
from radseg.models.sam_encoder import IMAGENET_MEAN, IMAGENET_STD, SamEncoder, build_sam_encoder
from radseg.nn.vit import Block
from radseg.types import Rgb
from radseg.weights import catalog
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig, SamSizes
from radseg.weights.convert.image_towers import convert_tower
from radseg.weights.convert.rename import BLOCK, MLP_V2, Rule, renamed, translate, translate_block
from radseg.weights.convert.sam import ORIGINAL

_W = r"\.(weight|bias)"
_BLOCK = r"transformer\.resblocks\.(\d+)\."
_LAYER = r"vision_model.encoder.layers.\1."
OPENAI = (
    Rule("class_embedding", "vision_model.embeddings.class_embedding"),
    Rule("positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    Rule(r"conv1\.weight", "vision_model.embeddings.patch_embedding.weight"),
    Rule(rf"ln_pre{_W}", r"vision_model.pre_layrnorm.\1"),
    Rule(rf"ln_post{_W}", r"vision_model.post_layernorm.\1"),
    Rule("proj", "visual_projection.weight"),
    Rule(rf"{_BLOCK}ln_([12]){_W}", rf"{_LAYER}layer_norm\2.\3"),
    Rule(rf"{_BLOCK}attn\.in_proj_(weight|bias)", rf"{_LAYER}self_attn.qkv.\2"),
    Rule(rf"{_BLOCK}attn\.out_proj{_W}", rf"{_LAYER}self_attn.out_proj.\2"),
    Rule(rf"{_BLOCK}mlp\.c_fc{_W}", rf"{_LAYER}mlp.fc1.\2"),
    Rule(rf"{_BLOCK}mlp\.c_proj{_W}", rf"{_LAYER}mlp.fc2.\2"),
)
"""OpenAI's image tower in the names of the transformers library, which the package converts."""

SAM_ENCODER = (
    Rule("pos_embed", "pos_embed"),
    Rule(rf"patch_embed\.proj{_W}", r"patch_embed.projection.\1"),
    Rule(rf"blocks\.(\d+)\.norm([12]){_W}", r"layers.\1.layer_norm\2.\3"),
    Rule(r"blocks\.(\d+)\.((?:attn|mlp)\..+)", r"layers.\1.\2"),
)


def clip_of(case: MethodCase) -> ImageTower:
    """Return the case's CLIP."""
    params, published = case.params, _library_names(case.weights_of("clip"))
    vision = {"num_attention_heads": params["heads"], "hidden_act": params["activation"]}
    row = replace(catalog.row("clip-vit-b-16"), shape=None, patch=params["patch"])
    config, tensors = convert_tower(
        published, {"model_type": "clip", "vision_config": vision}, row, case.name
    )
    tower = ImageTower(replace(config, norm_eps=params["norm_eps"]))
    tower.load_state_dict(tensors | conditioner_of(case))
    return tower.eval().requires_grad_(False)


def _library_names(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain = renamed(published, lambda key: translate(key, OPENAI), "golden")
    split: dict[str, Tensor] = {}
    for key, tensor in plain.items():
        if ".qkv." in key:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            split |= {key.replace(".qkv.", f".{name}_proj."): part for name, part in parts}
        else:
            split[key] = tensor
    projection = "visual_projection.weight"
    return split | {projection: split[projection].T.contiguous()}


def conditioner_of(case: MethodCase) -> dict[str, Tensor]:
    """Return the case's normalisation of images."""
    return {f"conditioner.{name}": torch.tensor(case.params[name]) for name in ("mean", "std")}


def radio_of(case: MethodCase) -> Radio:
    """Return the case's stand-in for RADIO: linear patches without positions, timm blocks, MLP heads."""
    params = case.params
    heads = {n: case.weights_of(f"{n}_head") for n in ("language", "sam")}
    adaptors = tuple(_adaptor(name, case) for name, head in heads.items() if head)
    config = RadioConfig(
        version="golden", width=params["width"], depth=params["layers"], heads=params["heads"],
        mlp_width=params["mlp_width"], patch=params["patch"], position_grid=1, cls_tokens=1,
        registers=params["prefix_tokens"] - 1, layer_scale=True, summary_tokens=(0,), adaptors=adaptors,
    )  # fmt: skip
    tensors = conditioner_of(case)
    tensors |= {f"vit.{k}": v for k, v in case.weights.items() if k in ("patch_embed.weight", "prefix")}
    tensors["vit.position"] = torch.zeros(1, 1, params["width"])
    blocks = {k: v for k, v in case.weights.items() if k.startswith("blocks.")}
    tensors |= {f"vit.{k}": v for k, v in renamed(blocks, translate_block, case.name).items()}
    for name, head in heads.items():
        part = "summary" if name == "language" else "features"
        plain = renamed(head, lambda key: translate(key, MLP_V2), case.name)
        tensors |= {f"adaptors.{name}.{part}.{k}": v for k, v in plain.items()}
    radio = Radio(config, language="language")
    radio.load_state_dict(tensors)
    return radio.eval().requires_grad_(False)


def _adaptor(name: str, case: MethodCase) -> AdaptorConfig:
    params, head = case.params, case.weights_of(f"{name}_head")
    config = HeadConfig(
        "mlp_v2", params["width"], params["head_hidden"], len(head["final.2.bias"]), params["head_blocks"]
    )
    if name == "language":
        return AdaptorConfig(name, 0, "golden", config, None)
    return AdaptorConfig(name, 0, None, None, config)


def block_of(case: MethodCase) -> Block:
    """Return the one timm block of a case."""
    params = case.params
    block = Block(
        width=params["width"],
        heads=params["heads"],
        mlp_width=params["mlp_width"],
        layer_scale=True,
        norm_eps=params["norm_eps"],
    )
    block.load_state_dict(renamed(case.weights, lambda key: translate(key, BLOCK), case.name))
    return block.eval().requires_grad_(False)


def sam_encoder_of(case: MethodCase) -> SamEncoder:
    """Return the case's SAM image encoder."""
    params = case.params
    vision = {
        "hidden_size": params["width"], "num_hidden_layers": params["layers"],
        "num_attention_heads": params["heads"], "mlp_dim": params["mlp_width"],
        "window_size": params["window"], "global_attn_indexes": params["global_blocks_from_0"],
        "image_size": params["frame"], "patch_size": params["patch"], "layer_norm_eps": params["norm_eps"],
    }  # fmt: skip
    tensors = renamed(case.weights, lambda key: translate(key, SAM_ENCODER), case.name)
    return build_sam_encoder(vision, tensors, file=case.name)


def seen_by_sam(case: MethodCase, image: Rgb) -> Rgb:
    """Return the Rgb that SAM's own normalisation maps to what the case's makes of `image`."""
    (mean, std), (own_mean, own_std) = (
        (torch.tensor(m)[:, None, None], torch.tensor(s)[:, None, None])
        for m, s in ((case.params["mean"], case.params["std"]), (IMAGENET_MEAN, IMAGENET_STD))
    )
    return (image - mean) / std * own_std + own_mean


def sam_decoder_of(case: MethodCase) -> SamDecoder:
    """Return the case's neck, prompt encoder and mask decoder."""
    sam = case.params["sam"]
    sizes = SamSizes(
        frame=sam["frame"], patch=sam["patch"], features=sam["features"], channels=sam["channels"],
        heads=sam["heads"], mlp_width=sam["mlp_width"],
    )  # fmt: skip
    tensors = renamed(case.weights_of("sam"), lambda key: translate(key, ORIGINAL), case.name)
    return build_sam(tensors, sizes)


@dataclass(frozen=True)
class GivenNetwork:
    """Stands where a method wants a network whose features the golden case gives.

    Attributes:
        patch: side of its patch in pixels.
        prefix_tokens: before its patches.
    """

    patch: int
    prefix_tokens: int = 1
    device: str = "cpu"
