"""Text towers: only the text tensors of a SigLIP, SigLIP2 or CLIP repository, under their published names."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from radseg.errors import CheckpointError
from radseg.weights.lazy import LazyTensor
from radseg.weights.ranges import PrefetchedSource, RangeSource
from radseg.weights.safefile import read_safetensors

INDEX = "model.safetensors.index.json"
_HEADER = 128 * 1024  # bytes; most headers fit
TEXT_PREFIXES = ("text_model.", "text_projection.")


def select(source: RangeSource, wanted: Callable[[str], bool]) -> dict[str, LazyTensor]:
    """Return the wanted tensors of a safetensors source; only its header is read now.

    Args:
        source: local or remote.
        wanted: decides by name.
    """
    ahead = PrefetchedSource(source, [(0, min(source.size, _HEADER))])
    return {k: t for k, t in read_safetensors(ahead).tensors.items() if wanted(k)}


def is_text(key: str) -> bool:
    """Return whether a published tensor belongs to the text tower."""
    return key.startswith(TEXT_PREFIXES)


def shards_of(index: bytes, file: str) -> dict[str, str]:
    """Return which shard holds each text tensor, from a published index.

    Raises:
        CheckpointError: the index is not one, or names files outside its folder.
    """
    try:
        table: Mapping[str, Any] = json.loads(index)["weight_map"]
        chosen = {k: str(v) for k, v in table.items() if is_text(k)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is not an index of shards ({error}).") from error
    for shard in set(chosen.values()):
        if "/" in shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise CheckpointError(f"{file} names the shard {shard[:80]!r}, which is no file beside it.")
    return chosen


def require_tower(tensors: Mapping[str, LazyTensor], file: str) -> None:
    """Raise CheckpointError unless the tensors look like a whole text tower."""
    needed = (
        "text_model.embeddings.token_embedding.weight",
        "text_model.embeddings.position_embedding.weight",
        "text_model.final_layer_norm.weight",
        "text_model.encoder.layers.0.layer_norm1.weight",
    )
    missing = [k for k in needed if k not in tensors]
    if missing:
        raise CheckpointError(f"{file} holds no text tower: {missing[0]} is missing.")
