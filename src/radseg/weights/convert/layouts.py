"""The two published layouts of a RADIO checkpoint: their keys sorted into the same parts (spec 2.1, 2.4)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.convert.arguments import Arguments, read_arguments
from radseg.weights.convert.pickles import require_read, shown
from radseg.weights.convert.rename import Rule, put, translate
from radseg.weights.convert.switches import refused
from radseg.weights.tensors import read_safetensors, require_tensor

PREFIXES = {
    "base_model.": "base",
    "input_conditioner.": "conditioner",
    "_feature_normalizer.": "normalizer",
    "_intermediate_feature_normalizer.": "intermediate",
}
HEADS = {"_heads.": "summary", "_feature_projections.": "features"}
FOLDER = (
    Rule(r"radio_model\.model\.(.+)", r"base_model.\1"),
    Rule(r"radio_model\.input_conditioner\.(.+)", r"input_conditioner.\1"),
    Rule(r"radio_model\.feature_normalizer\.(.+)", r"_feature_normalizer.\1"),
    Rule(r"radio_model\.inter_feature_normalizer\.(.+)", r"_intermediate_feature_normalizer.\1"),
    Rule(r"radio_model\.adaptors\.(.+)\.head_mlp\.(.+)", r"_heads.\1.\2"),
    Rule(r"radio_model\.adaptors\.(.+)\.feat_mlp\.(.+)", r"_feature_projections.\1.\2"),
    Rule(r"radio_model\.adaptors\.(.+)", r"_heads.\1"),  # of neither part: unknown, under its teacher
)
"""The keys of a Hugging Face folder, as the `.pth.tar` spells them."""
SUMMARY = "radio_model.summary_idxs"
Parts = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Published:
    """A checkpoint with its keys sorted into parts, whatever its layout.

    Attributes:
        base, conditioner, normalizer, intermediate: tensors under published names, without prefix.
        heads: per teacher name, "summary" and "features" parts.
        outside: names of what the publisher's own loader does not read, whatever it is.
    """

    file: str
    version: str
    arguments: Arguments
    base: dict[str, Tensor] = field(default_factory=dict)
    conditioner: dict[str, Tensor] = field(default_factory=dict)
    normalizer: dict[str, Tensor] = field(default_factory=dict)
    intermediate: dict[str, Tensor] = field(default_factory=dict)
    heads: dict[str, Parts] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)


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
    for name, value in state.items():
        if not isinstance(name, str):
            raise CheckpointError(f"{file}: {shown(name)} is no name of a tensor.")
        _sort(published, name.removeprefix("module."), value)
    return published


def _sort(published: Published, key: str, value: Any) -> None:
    """Put what stands in the `.pth.tar` under `key` where it belongs."""
    for prefix, part in HEADS.items():
        if key.startswith(prefix):
            _sort_head(published, key.removeprefix(prefix), part, value, key)
            return
    for prefix, part in PREFIXES.items():
        if key.startswith(prefix):
            tensor = require_tensor(key, value, published.file)
            put(getattr(published, part), key.removeprefix(prefix), tensor, published.file)
            return
    published.outside.append(key)


def _sort_head(published: Published, rest: str, part: str, value: Any, key: str) -> None:
    """Give a head's tensor to its teacher; the dot belongs to the match, or index 1 would also take 10."""
    owners = {label: t.name for t in published.arguments.teachers for label in (str(t.index), t.name)}
    for label, owner in owners.items():
        if rest.startswith(f"{label}."):
            head = published.heads.setdefault(owner, {}).setdefault(part, {})
            tensor = require_tensor(key, value, published.file)
            put(head, rest.removeprefix(f"{label}."), tensor, published.file)
            return
    published.outside.append(key)  # of a teacher that is not listed, or a copy under a repeated one's index


def sort_folder(folder: Path, config: Mapping[str, Any], version: str) -> Published:
    file = f"{folder.name}/model.safetensors"
    tensors = read_safetensors(folder / "model.safetensors").tensors
    description = f"{folder.name}/config.json"
    arguments = read_arguments(config["args"], averaged=False, file=description)
    if config.get("vitdet_window_size") is not None:
        raise refused("vitdet_window_size", config["vitdet_window_size"], description)
    published = Published(file, str(config.get("version") or version or "unknown"), arguments)
    for key, tensor in tensors.items():
        if (known := translate(key, FOLDER)) is not None:
            _sort(published, known, tensor)
        elif key != SUMMARY:
            published.outside.append(key)
    if (config.get("feature_normalizer_config") is None) == bool(published.normalizer):
        said = "no feature normaliser" if published.normalizer else "a feature normaliser"
        raise CheckpointError(f"{description} says that there is {said}, and the tensors say the opposite.")
    _check_summary(tensors.get(SUMMARY), arguments, file)
    return published


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
