"""Weights in several files: the published index that says which tensor lies where."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from radseg.errors import CheckpointError

_ENDINGS = (".safetensors", ".bin")


def index_of(file: str) -> str | None:
    """Return what the index is called where `file` is published in shards; None if that is not done."""
    return f"{file}.index.json" if file.endswith(_ENDINGS) else None


def shards_of(content: bytes, index: str, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the names of the shards that hold tensors of wanted names, from a published index.

    Raises:
        CheckpointError: the index is not one, lists nothing that is wanted, or files outside its folder.
    """
    try:
        table: Mapping[str, Any] = json.loads(content)["weight_map"]
        shards = sorted({str(file) for key, file in table.items() if wanted(key)})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index} is not an index of shards ({error}).") from error
    for shard in shards:
        if "/" in shard or "\\" in shard or not shard.endswith(_ENDINGS):
            raise CheckpointError(f"{index} names the shard {shard[:80]!r}, which is no file beside it.")
    if not shards:
        raise CheckpointError(f"{index} lists none of the tensors that are needed.")
    return tuple(shards)
