"""Adaptor heads: their published keys, and their shape read from the tensors (spec 2.2).

Which kind a head is shows in its keys, so the arguments' mlp_version is not consulted.
"""

import re
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.config import HeadConfig, HeadKind
from radseg.weights.convert.rename import MLP_V1, MLP_V2, renamed, translate, translate_block

ATTENTION_HEADS = 16  # fixed in the publisher's code; no tensor shows it


def convert_head(
    published: Mapping[str, Tensor], *, upsample: int, where: str, prefix: str = ""
) -> tuple[HeadConfig, dict[str, Tensor]]:
    """Return the configuration of a head and its tensors under our names.

    Args:
        published: the head's tensors without their prefix, reparametrisations resolved.
        upsample: the feature head's upsampling factor; 1 for summary heads.
        where: file and head, for error messages.
        prefix: stands before the names of unknown tensors there, so that they can be passed as `drop`.

    Raises:
        CheckpointError: keys of no known kind, or shapes that contradict each other.
    """
    kind = _kind(published, where)
    tensors = renamed(published, partial(_our_key, kind=kind), where, prefix=prefix)
    if kind == "attention":
        _fill_missing_biases(tensors)
    return _configure(kind, tensors, upsample, where), tensors


def _kind(keys: Mapping[str, Tensor], where: str) -> HeadKind:
    if "mlp.fc1.weight" in keys:
        return "attention"
    if "final.2.weight" in keys:
        return "mlp_v2"
    if "fc2.weight" in keys:
        return "mlp_v1"
    listed = ", ".join(sorted(keys)[:4])
    raise CheckpointError(
        f"{where} is of no known kind (MLP v1, MLP v2, attention); it holds {listed[:200]}."
    )


def _our_key(key: str, kind: HeadKind) -> str | None:
    if kind == "mlp_v2":
        return translate(key, MLP_V2)
    if kind == "mlp_v1":
        return _our_key_v1(key)
    if key.startswith("mlp."):
        inner = translate(key.removeprefix("mlp."), MLP_V2)
        return f"mlp.{inner}" if inner else None
    return translate_block(key)


def _our_key_v1(key: str) -> str | None:
    match = re.fullmatch(r"inner\.(\d+)\.(weight|bias)", key)
    if not match:
        return translate(key, MLP_V1)
    layer, part = divmod(int(match[1]), 3)  # linear, norm, ReLU, linear, …
    return None if part == 2 else f"blocks.{layer}.{('fc', 'norm')[part]}.{match[2]}"


def _fill_missing_biases(tensors: dict[str, Tensor]) -> None:
    # the published attention heads have no bias on queries, keys and values; ours do, and with zeros the
    # network is the same
    for key, weight in list(tensors.items()):
        bias = key.removesuffix("weight") + "bias"
        if key.endswith("attention.qkv.weight") and bias not in tensors:
            tensors[bias] = torch.zeros(weight.shape[0], dtype=weight.dtype)


def _configure(kind: HeadKind, tensors: Mapping[str, Tensor], upsample: int, where: str) -> HeadConfig:
    mlp = "mlp." if kind == "attention" else ""
    hidden, width_in = _matrix(tensors, f"{mlp}fc_in.weight", where)
    out, _ = _matrix(tensors, f"{mlp}fc_out.weight", where)
    if out % upsample**2:
        raise CheckpointError(
            f"{where} emits {out} channels, not a multiple of {upsample}² (its upsampling)."
        )
    attention = kind == "attention"
    if attention and width_in % ATTENTION_HEADS:
        raise CheckpointError(f"{where}: width {width_in} does not split into {ATTENTION_HEADS} heads.")
    return HeadConfig(
        kind=kind,
        width_in=width_in,
        hidden=hidden,
        width_out=out // upsample**2,
        blocks=_count(tensors, rf"{re.escape(mlp)}blocks\.(\d+)\.fc\.weight"),
        pre_norm=f"{mlp}pre_norm.weight" in tensors,
        upsample=upsample,
        attention_blocks=_count(tensors, r"blocks\.(\d+)\.norm1\.weight") if attention else 0,
        attention_heads=ATTENTION_HEADS if attention else 0,
        attention_mlp=_matrix(tensors, "blocks.0.mlp.up.weight", where)[0] if attention else 0,
    )


def _matrix(tensors: Mapping[str, Tensor], key: str, where: str) -> tuple[int, int]:
    tensor = tensors.get(key)
    if tensor is None or len(tensor.shape) != 2:
        found = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise CheckpointError(f"{where}: {key} is {found}; a matrix is needed.")
    return tensor.shape[0], tensor.shape[1]


def _count(keys: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in keys)
