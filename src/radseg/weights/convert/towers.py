"""Text towers: only the text tensors of a SigLIP, SigLIP2 or CLIP repository, under their published names."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from radseg.errors import CheckpointError

INDEX = "model.safetensors.index.json"
_NEEDED = (
    "text_model.embeddings.token_embedding.weight",
    "text_model.embeddings.position_embedding.weight",
    "text_model.final_layer_norm.weight",
    "text_model.encoder.layers.0.layer_norm1.weight",
)


def is_text(key: str) -> bool:
    """Return whether a published tensor belongs to the text tower."""
    return key.startswith(("text_model.", "text_projection."))


def shards_of(index: bytes) -> dict[str, str]:
    """Return which shard holds each text tensor, from a published index.

    Raises:
        CheckpointError: the index is not one, or names files outside its folder.
    """
    try:
        table: Mapping[str, Any] = json.loads(index)["weight_map"]
        chosen = {k: str(v) for k, v in table.items() if is_text(k)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{INDEX} is not an index of shards ({error}).") from error
    for shard in set(chosen.values()):
        if "/" in shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise CheckpointError(f"{INDEX} names the shard {shard[:80]!r}, which is no file beside it.")
    return chosen


def require_tower(keys: Collection[str], file: str) -> None:
    """Raise CheckpointError unless these look like the tensors of a whole text tower."""
    missing = [key for key in _NEEDED if key not in keys]
    if missing:
        raise CheckpointError(f"{file} holds no text tower: {missing[0]} is missing.")
