"""Key maps as tables of patterns, used strictly: every key is mapped, dropped by name, or reported."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from radseg.errors import CheckpointError
from radseg.files import listed


class Rule(NamedTuple):
    """A published key (regular expression, matched in full) and our name for it."""

    published: str
    ours: str


BLOCK = (
    Rule(r"norm([12])\.(weight|bias)", r"norm\1.\2"),
    Rule(r"attn\.qkv\.(weight|bias)", r"attention.qkv.\1"),
    Rule(r"attn\.proj\.(weight|bias)", r"attention.out.\1"),
    Rule(r"mlp\.fc1\.(weight|bias)", r"mlp.up.\1"),
    Rule(r"mlp\.fc2\.(weight|bias)", r"mlp.down.\1"),
    Rule(r"ls([12])\.(?:gamma|grandma)", r"scale\1"),
)
"""One timm transformer block; LayerScale is "gamma" in the .pth.tar and "grandma" in Hugging Face folders."""

BACKBONE = (
    Rule(r"patch_generator\.embedder\.weight", "patch_embed.weight"),
    Rule(r"patch_generator\.pos_embed", "position"),
    Rule(r"patch_generator\.cls_token\.token", "prefix"),
)

MLP_V2 = (
    Rule(r"pre_norm\.0\.(weight|bias)", r"pre_norm.\1"),
    Rule(r"fc1\.(weight|bias)", r"fc_in.\1"),
    Rule(r"blocks\.(\d+)\.0\.(weight|bias)", r"blocks.\1.norm.\2"),
    Rule(r"blocks\.(\d+)\.2\.(weight|bias)", r"blocks.\1.fc.\2"),
    Rule(r"final\.0\.(weight|bias)", r"norm_out.\1"),
    Rule(r"final\.2\.(weight|bias)", r"fc_out.\1"),
)

MLP_V1 = (
    Rule(r"fc1\.(weight|bias)", r"fc_in.\1"),
    Rule(r"norm\.(weight|bias)", r"norm_in.\1"),
    Rule(r"fc2\.(weight|bias)", r"fc_out.\1"),
)
"""Without `inner.N`, whose numbering needs arithmetic (see `heads`)."""


def translate(key: str, rules: Sequence[Rule]) -> str | None:
    """Return our name for a published key, or None if no rule knows it."""
    for rule in rules:
        match = re.fullmatch(rule.published, key)
        if match:
            return match.expand(rule.ours)
    return None


def translate_block(key: str) -> str | None:
    """Return our name for "blocks.i.…" of a transformer, or None."""
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
    inner = translate(match[2], BLOCK) if match else None
    return f"blocks.{int(match[1])}.{inner}" if match and inner else None


def renamed(
    published: Mapping[str, Tensor],
    rule: Callable[[str], str | None],
    file: str,
    *,
    dropped: str = "(?!)",
    prefix: str = "",
) -> dict[str, Tensor]:
    """Return tensors under the names that `rule` gives their published keys.

    Args:
        dropped: keys that belong to another part, as a pattern that is matched in full; none by default.
        prefix: stands before unknown keys in the message, so that they can be passed as `drop`.

    Raises:
        CheckpointError: a key that neither knows, or two keys for one name.
    """
    table: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in published.items():
        ours = rule(key)
        if ours is not None:
            put(table, ours, tensor, file)
        elif not re.fullmatch(dropped, key):
            unknown.append(f"{prefix}{key}")
    require_none_left(unknown, file)
    return table


def needed(tensors: Mapping[str, Tensor], key: str, file: str, *, what: str) -> Tensor:
    """Return a tensor without which nothing can be made; raise CheckpointError, naming `what`, if absent."""
    tensor = tensors.get(key)
    if tensor is None or not tensor.shape or 0 in tensor.shape:
        raise CheckpointError(f"{file} lacks {key}; it is incomplete or no {what}.")
    return tensor


def require_none_left(unknown: Iterable[str], file: str) -> None:
    """Raise CheckpointError naming keys that no rule knows."""
    left = sorted(unknown)
    if left:
        raise CheckpointError(
            f"{file} holds {len(left)} tensor(s) this version does not know: {listed(left, 8)}. If it is the "
            "publisher's own file, report the names."
        )


def put(table: dict[str, Tensor], key: str, tensor: Tensor, file: str) -> None:
    """Add a tensor under our key; refuse a second one."""
    if key in table:
        raise CheckpointError(f"{file} holds two tensors for {key}.")
    table[key] = tensor
