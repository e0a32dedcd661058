"""CLIP's text tower from open_clip's file to the transformers library's names, strictly; its config.json."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.catalog import Shape
from radseg.weights.convert.rename import Rule, needed, renamed, translate

_W = r"\.(weight|bias)"
_BLOCK = r"transformer\.resblocks\.(\d+)\."
_LAYER = r"text_model.encoder.layers.\1."

RULES = (
    Rule(r"token_embedding\.weight", "text_model.embeddings.token_embedding.weight"),
    Rule(r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    Rule(rf"ln_final{_W}", r"text_model.final_layer_norm.\1"),
    Rule(r"text_projection", "text_projection.weight"),
    Rule(rf"{_BLOCK}ln_([12]){_W}", rf"{_LAYER}layer_norm\2.\3"),
    Rule(rf"{_BLOCK}attn\.in_proj_(weight|bias)", rf"{_LAYER}self_attn.qkv.\2"),
    Rule(rf"{_BLOCK}attn\.out_proj{_W}", rf"{_LAYER}self_attn.out_proj.\2"),
    Rule(rf"{_BLOCK}mlp\.c_fc{_W}", rf"{_LAYER}mlp.fc1.\2"),
    Rule(rf"{_BLOCK}mlp\.c_proj{_W}", rf"{_LAYER}mlp.fc2.\2"),
)
_OTHER = r"visual\..+|logit_scale|logit_bias|attn_mask"
_needed = partial(needed, what="text tower of open_clip")


def is_open_clip(keys: Mapping[str, Any]) -> bool:
    """Return whether a published file has open_clip's names: its text tower has none in front."""
    return "token_embedding.weight" in keys


def library_tensors(published: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Return the text tower's tensors under the library's names; its image tower is left behind.

    Raises:
        CheckpointError: a tensor that neither tower has, or a missing one.
    """
    plain = renamed(published, partial(translate, rules=RULES), file, dropped=_OTHER)
    _needed(plain, "text_model.embeddings.token_embedding.weight", file)
    tensors: dict[str, Tensor] = {}
    for key, tensor in plain.items():
        if ".self_attn.qkv." not in key:
            tensors[key] = tensor
            continue
        if tensor.shape[0] % 3:
            raise CheckpointError(f"{file}: {key} has shape {tuple(tensor.shape)}, which is no q, k and v.")
        for name, part in zip("qkv", tensor.chunk(3), strict=True):
            tensors[key.replace(".qkv.", f".{name}_proj.")] = part
    # Differs from the library: open_clip multiplies by this matrix from the right, a linear layer by its
    # transpose.
    tensors["text_projection.weight"] = _needed(plain, "text_projection.weight", file).T
    return tensors


def library_config(shape: Shape, activation: str, tensors: Mapping[str, Tensor], file: str) -> dict[str, Any]:
    """Return the config.json of a tower that was published without one.

    Args:
        shape, activation: of the catalogue: what no tensor shows, and what the tensors must agree with.
    """
    embeddings = "text_model.embeddings."
    words, width = _needed(tensors, f"{embeddings}token_embedding.weight", file).shape
    places = _needed(tensors, f"{embeddings}position_embedding.weight", file).shape[0]
    depth = len({key.split(".")[3] for key in tensors if key.startswith("text_model.encoder.layers.")})
    mlp = _needed(tensors, "text_model.encoder.layers.0.mlp.fc1.weight", file).shape[0]
    if (width, depth, mlp) != (shape.width, shape.depth, shape.mlp_width):
        raise CheckpointError(
            f"{file} has a text tower of width {width}, depth {depth} and MLP width {mlp}; "
            f"{shape.width}, {shape.depth} and {shape.mlp_width} are expected."
        )
    text = {
        "hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": depth,
        "num_attention_heads": shape.heads, "max_position_embeddings": places, "vocab_size": words,
        "hidden_act": activation, "model_type": "clip_text_model",
    }  # fmt: skip
    projected = _needed(tensors, "text_projection.weight", file).shape[0]
    return {"model_type": "clip", "projection_dim": projected, "text_config": text}
