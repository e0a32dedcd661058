"""Spectral reparametrisation resolved into plain weights (spec 2.1).

Stored is W with a learned scale and the singular vectors of its largest singular value;
the weight in use is W · g(scale) / (uᵀ W v + ε).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import CheckpointError
from radseg.ops.inference import without_autocast

_STORED = re.compile(r"(.+)\.parametrizations\.weight\.(.+)")
_ALPHA = 0.05  # smallest scale of version 2


@without_autocast()  # what is converted is kept
def materialise(tensors: Mapping[str, Tensor], epsilon: float | None, file: str) -> dict[str, Tensor]:
    """Return the tensors with every reparametrised weight replaced by the weight in use.

    Args:
        tensors: published keys without the module prefix.
        epsilon: of the reparametrisation; None where the arguments say it is off.
        file: name for error messages.

    Raises:
        CheckpointError: reparametrised tensors although it is off, or incomplete ones.
    """
    plain: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = _STORED.fullmatch(key)
        if match:
            parts.setdefault(match[1], {})[match[2]] = tensor
        else:
            plain[key] = tensor
    if parts and epsilon is None:
        raise CheckpointError(
            f"{file} holds spectrally reparametrised weights ({next(iter(parts))}) but its arguments "
            "say there are none."
        )
    for module, pieces in parts.items():
        key = f"{module}.weight"
        if key in plain or "original" not in pieces:
            raise CheckpointError(f"{file}: the weight of {module} is stored twice or not at all.")
        plain[key] = _resolved(pieces, float(epsilon or 0.0), f"{file}: {module}")
    return plain


def _resolved(pieces: Mapping[str, Tensor], epsilon: float, where: str) -> Tensor:
    original = pieces["original"]
    chunked = sorted({int(m[1]) for k in pieces if (m := re.fullmatch(r"0\.parts\.(\d)\..+", k))})
    known = {"original"} | {
        f"{prefix}{name}"
        for prefix in ([f"0.parts.{i}." for i in chunked] or ["0."])
        for name in ("scale", "_u", "_v", "_sn_version")
    }
    if pieces.keys() - known:
        raise CheckpointError(f"{where} holds the unknown {sorted(pieces.keys() - known)[0]!r:.80}.")

    weight = original.float()
    if not chunked:
        return _reweighted(weight, pieces, "0.", epsilon, where).to(original.dtype)
    # queries, keys and values are scaled apart; a part without a scale is used as it is
    rows = list(weight.chunk(3))
    for i in chunked:
        rows[i] = _reweighted(rows[i], pieces, f"0.parts.{i}.", epsilon, where)
    return torch.cat(rows).to(original.dtype)


def _reweighted(
    weight: Tensor, pieces: Mapping[str, Tensor], prefix: str, epsilon: float, where: str
) -> Tensor:
    try:
        scale = pieces[f"{prefix}scale"].float().reshape(-1)[0]
        stated = pieces.get(f"{prefix}_sn_version")
        version = 1 if stated is None else int(stated)
        sigma = _sigma(weight, pieces, prefix) + epsilon
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        raise CheckpointError(f"{where}: incomplete spectral reparametrisation ({error}).") from error
    if version not in (1, 2):
        raise CheckpointError(f"{where}: spectral reparametrisation version {version}; 1 and 2 are known.")
    factor = scale if version == 1 else F.softplus(scale) + _ALPHA
    return weight * (factor / sigma)


def _sigma(weight: Tensor, pieces: Mapping[str, Tensor], prefix: str) -> Tensor:
    if weight.ndim == 1:
        length: Tensor = weight.norm()
        return length
    u, v = (pieces[f"{prefix}{name}"].float() for name in ("_u", "_v"))
    sigma: Tensor = u @ (weight.flatten(1) @ v)
    return sigma
