"""The two published layouts of a RADIO checkpoint: their keys sorted into the same parts (spec 2.1, 2.4)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.convert.arguments import Arguments, read_arguments
from radseg.weights.convert.pickles import require_read
from radseg.weights.convert.rename import put
from radseg.weights.tensors import named_tensors, read_safetensors

PTH_PREFIXES = {
    "base_model.": "base.",
    "input_conditioner.": "conditioner.",
    "_feature_normalizer.": "normalizer.",
}
HF_PREFIXES = {
    "radio_model.model.": "base.",
    "radio_model.input_conditioner.": "conditioner.",
    "radio_model.feature_normalizer.": "normalizer.",
    "radio_model.": "",
}
Parts = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Published:
    """A checkpoint with its keys sorted into parts, whatever its layout.

    Attributes:
        base, conditioner, normalizer: tensors under published names, without prefix.
        heads: per teacher name, "summary" and "features" parts.
        others: everything else, to be dropped by name or reported.
    """

    file: str
    version: str
    arguments: Arguments
    base: dict[str, Tensor] = field(default_factory=dict)
    conditioner: dict[str, Tensor] = field(default_factory=dict)
    normalizer: dict[str, Tensor] = field(default_factory=dict)
    heads: dict[str, Parts] = field(default_factory=dict)
    others: dict[str, Tensor] = field(default_factory=dict)


def sort_pth(checkpoint: Any, file: str, version: str) -> Published:
    """Return the content of a `.pth.tar`, its keys sorted."""
    content = checkpoint if isinstance(checkpoint, dict) else {}
    raw = require_read(content.get("args"), "`args`", file)
    if not isinstance(raw, dict):
        raise CheckpointError(f"{file} holds no table with `args`; it is no published RADIO checkpoint.")
    averaged = content.get("state_dict_ema") is not None
    key = "state_dict_ema" if averaged else "state_dict"
    state = require_read(content.get(key), f"`{key}`", file)
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{file} holds no `state_dict`; it is no published RADIO checkpoint.")
    published = Published(file, version, read_arguments(raw, averaged=averaged, file=file))
    for name, tensor in named_tensors(state, file).items():
        _sort_pth_key(published, name.removeprefix("module."), tensor)
    return published


def _sort_pth_key(published: Published, key: str, tensor: Tensor) -> None:
    for prefix, part in (("_heads.", "summary"), ("_feature_projections.", "features")):
        if key.startswith(prefix):
            _sort_head(published, key.removeprefix(prefix), part, tensor, key)
            return
    _sort_prefixed(published, key, PTH_PREFIXES, tensor)


def _sort_head(published: Published, rest: str, part: str, tensor: Tensor, key: str) -> None:
    """Give a head's tensor to its teacher; the dot belongs to the match, or index 1 would also take 10."""
    owners = {label: t.name for t in published.arguments.teachers for label in (str(t.index), t.name)}
    for label, owner in owners.items():
        if rest.startswith(f"{label}."):
            head = published.heads.setdefault(owner, {}).setdefault(part, {})
            put(head, rest.removeprefix(f"{label}."), tensor, published.file)
            return
    if rest.split(".", maxsplit=1)[0] not in map(str, published.arguments.repeats):
        published.others[key] = tensor


def _sort_prefixed(published: Published, key: str, prefixes: Mapping[str, str], tensor: Tensor) -> None:
    for prefix, part in prefixes.items():
        if part and key.startswith(prefix):
            table = getattr(published, part.removesuffix("."))
            put(table, key.removeprefix(prefix), tensor, published.file)
            return
    put(published.others, key.removeprefix("radio_model."), tensor, published.file)


def sort_folder(folder: Path, config: Mapping[str, Any], version: str) -> Published:
    file = f"{folder.name}/model.safetensors"
    tensors = read_safetensors(folder / "model.safetensors").tensors
    arguments = read_arguments(config["args"], averaged=False, file=f"{folder.name}/config.json")
    published = Published(file, str(config.get("version") or version or "unknown"), arguments)
    for key, tensor in tensors.items():
        match = re.fullmatch(r"radio_model\.adaptors\.(.+)\.(head_mlp|feat_mlp)\.(.+)", key)
        match = match and _split_adaptor(key, arguments)
        if match:
            part = "summary" if match[2] == "head_mlp" else "features"
            head = published.heads.setdefault(match[1], {}).setdefault(part, {})
            put(head, match[3], tensor, file)
        else:
            _sort_prefixed(published, key, HF_PREFIXES, tensor)
    _check_summary(tensors.get("radio_model.summary_idxs"), arguments, file)
    return published


def _split_adaptor(key: str, arguments: Arguments) -> re.Match[str] | None:
    names = "|".join(re.escape(t.name) for t in arguments.teachers)
    return re.fullmatch(rf"radio_model\.adaptors\.({names})\.(head_mlp|feat_mlp)\.(.+)", key)


def _check_summary(stored: Tensor | None, arguments: Arguments, file: str) -> None:
    if stored is None:
        return
    if stored.dtype != torch.int64 or math.prod(stored.shape) > 1000:
        raise CheckpointError(f"{file}: summary_idxs is not a short list of whole numbers.")
    listed = tuple(int(i) for i in stored.flatten())
    if listed != arguments.summary_tokens:
        raise CheckpointError(
            f"{file}: summary_idxs is {listed}, the arguments in config.json make it "
            f"{arguments.summary_tokens}."
        )
