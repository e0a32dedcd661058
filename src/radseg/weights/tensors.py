"""Tensors of files: safetensors through its library, published pickles through the restricted reader.

Tensors that come from a file are views of it, mapped into memory: nothing is read before it is used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from radseg.errors import CheckpointError, MissingFileError, ResourceError, UnsafeCheckpointError
from radseg.weights.home import replacing

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""What weights are stored in, by the name in a safetensors header."""


class SafeFile(NamedTuple):
    """What a safetensors file holds."""

    metadata: dict[str, str]
    tensors: dict[str, Tensor]


def read_safetensors(path: Path) -> SafeFile:
    """Return the tensors of a safetensors file, mapped. The library checks that its header tells the truth.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: it is damaged, or holds numbers of a type that weights are not stored in.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty (0 bytes). Fetch it again.")
    try:
        with safe_open(path, framework="pt") as file:
            found = SafeFile(file.metadata() or {}, {k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path.name} is not a valid safetensors file: {reason}. Fetch or convert it again."
        ) from error
    for key, tensor in found.tensors.items():
        if tensor.dtype not in DTYPES.values():
            raise CheckpointError(f"{path.name}: {key!r:.200} is of type {tensor.dtype}, which is not read.")
    return found


def published_tensors(*files: Path) -> dict[str, Tensor]:
    """Return every tensor of a published file or of its shards, mapped.

    Raises:
        UnsafeCheckpointError: a pickle that holds something else under a name.
        CheckpointError: a file is damaged, or two shards hold the same name.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = _tensors_of(file)
        if twice := tensors.keys() & found.keys():
            raise CheckpointError(f"{file.name} holds {min(twice)} again; another shard has it.")
        tensors |= found
    return tensors


def _tensors_of(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_safetensors(path).tensors
    from radseg.weights.convert.torch_file import read_checkpoint  # noqa: PLC0415 - only for pickles

    return named_tensors(read_checkpoint(path), path.name)


def named_tensors(state: object, file: str) -> dict[str, Tensor]:
    """Return a pickled table of tensors; refuse anything else in it."""
    if not isinstance(state, dict):
        raise CheckpointError(f"{file} holds no table of tensors.")
    for key, value in state.items():
        require_tensor(key, value, file)
    return state


def require_tensor(key: object, value: object, file: str) -> Tensor:
    """Return an entry of a pickled table if it is a named tensor; raise CheckpointError if not."""
    from radseg.weights.convert.pickles import Inert, shown  # noqa: PLC0415

    if isinstance(key, str) and isinstance(value, Tensor):
        return value
    kind = UnsafeCheckpointError if isinstance(value, Inert) else CheckpointError
    raise kind(f"{file}: {shown(key)} is not a named tensor but {shown(value)}.")


def require_finite(name: str, tensor: Tensor, file: str) -> None:
    """Raise CheckpointError if a floating tensor holds NaN or infinity."""
    if not tensor.is_floating_point() or bool(tensor.sum().isfinite()):  # NaN and infinity stay in a sum
        return
    if not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise CheckpointError(
            f"{file}: {name} holds {bad} value(s) that are NaN or infinite; the file is damaged or the "
            "training diverged. Fetch the published file again."
        )


def save_tensors(
    target: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, source: str = ""
) -> None:
    """Write `tensors` to `target`: complete and finite, or not at all.

    Args:
        source: file that they come from, for messages.

    Raises:
        CheckpointError: a tensor holds NaN or infinity.
        ResourceError: the folder cannot be written or the disk is full.
    """
    for key, tensor in tensors.items():
        require_finite(key, tensor, source or target.name)
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    end = 0
    for key in sorted(whole, key=lambda k: whole[k].data_ptr()):
        if whole[key].data_ptr() < end:  # the library refuses two names for the same memory
            whole[key] = whole[key].clone()
        else:
            end = whole[key].data_ptr() + whole[key].nbytes
    try:
        with replacing(target) as part:
            save_file(whole, part, dict(metadata))
    except SafetensorError as error:
        raise ResourceError(f"Cannot write {target}: {error}. Set RADSEG_HOME to another folder.") from error
