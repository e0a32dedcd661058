"""The one operator behind SCRA and SCGA: attention by thresholded cosine similarity.

Softmax ignores a constant shift, so "subtract a centre, mask the negatives, scale, softmax" is "mask below a
threshold, scale, softmax":  out_i = Σ_j softmax_j(τ·cos(t_i, t_j))·v_j  over those j with cos(t_i, t_j) ≥ θ.
`correlation_attention_dense` is the definition; `correlation_attention` is what runs.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

DEFAULT_BLOCK_BYTES = 64 * 2**20
"""Of one block of cosines; larger brings no speed (docs/experiments.md)."""
CACHE_BYTES = 8 * 2**20
"""Small matrices are taken in groups that stay in a CPU cache: 0.14 s, not 0.20 s, for 12 windows of SCRA."""


def unit_rows(tokens: Float[Tensor, "*b t d"]) -> Float[Tensor, "*b t d"]:
    """Return `tokens` with rows of unit length; zero rows stay zero. Computed in at least float32."""
    return F.normalize(tokens.to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1, eps=1e-12)


def mean_cosine(tokens: Float[Tensor, "*b t d"]) -> Float[Tensor, "*b"]:
    """Return the mean over all pairs (i, j), i = j included, of the cosine between tokens i and j.

    mean_ij u_i·u_j = ‖mean_i u_i‖², so no t × t matrix is formed. The reference averages the matrix (spec
    4.5).
    """
    return unit_rows(tokens).mean(dim=-2).square().sum(dim=-1)


def correlation_attention_dense(
    tokens: Float[Tensor, "*b t d"],
    values: Float[Tensor, "*b t e"],
    *,
    temperature: float,
    threshold: float | Float[Tensor, "*b"],
) -> Float[Tensor, "*b t e"]:
    """Return the operator as it is defined, with the whole t × t matrix: for tests and benchmarks."""
    unit = unit_rows(tokens)
    cosine = unit @ unit.mT
    masked = cosine < torch.as_tensor(threshold, device=cosine.device)[..., None, None]
    masked.diagonal(dim1=-2, dim2=-1).fill_(False)
    weights = (temperature * cosine).masked_fill(masked, -torch.inf).softmax(dim=-1)
    return (weights @ values.to(weights.dtype)).to(values.dtype)


def correlation_attention(
    tokens: Float[Tensor, "*b t d"],
    values: Float[Tensor, "*b t e"],
    *,
    temperature: float,
    threshold: float | Float[Tensor, "*b"],
    block_bytes: int = DEFAULT_BLOCK_BYTES,
) -> Float[Tensor, "*b t e"]:
    """Return per token the mean of the values of similar tokens, weighted by softmax(temperature·cosine).

    RADSeg Eq. 4-8 (arXiv 2511.19704). Only pairs with a cosine of at least `threshold` take part.
    Blocks of rows bound the memory: no more than `block_bytes` of cosines exist at once.

    Differs from the published code in keeping the diagonal always: a threshold above 1 (a map of equal tokens
    whose mean cosine rounds above 1) would otherwise mask a whole row and turn it into NaN.

    Args:
        tokens: compared with each other; need not be normalised.
        values: mixed; may be `tokens` itself.
        temperature: multiplies the cosine; 10 in RADSeg.
        threshold: cosine below which a pair is cut; 0 in SCRA, the map's mean cosine in SCGA.
    """
    unit = unit_rows(tokens)
    count = unit.shape[-2]
    limit = torch.as_tensor(threshold, dtype=unit.dtype, device=unit.device).expand(unit.shape[:-2])
    flat, limits = unit.reshape(-1, *unit.shape[-2:]), limit.reshape(-1, 1, 1)
    mixed = values.to(unit.dtype).reshape(len(flat), count, -1)
    out = torch.empty_like(mixed)
    row = unit.element_size() * count
    group_bytes = min(block_bytes, CACHE_BYTES) if unit.device.type == "cpu" else block_bytes
    group, rows = max(1, group_bytes // (row * count)), max(1, block_bytes // row)
    for first in range(0, len(flat), group):
        some = slice(first, first + group)
        for start in range(0, count, rows):
            part = slice(start, start + rows)
            out[some, part] = _mix(flat[some], mixed[some], part, limits[some], temperature)
    return out.reshape(values.shape).to(values.dtype)


def _mix(
    unit: Float[Tensor, "g t d"],
    values: Float[Tensor, "g t e"],
    rows: slice,
    limits: Float[Tensor, "g 1 1"],
    temperature: float,
) -> Float[Tensor, "g s e"]:
    """Return the operator's output for some rows."""
    # exp(τ(cos − 1)) lies in [exp(−2τ), 1] and is 1 on the diagonal: no row maximum is needed.
    weights = unit[:, rows] @ unit.mT
    cut = weights < limits
    cut.diagonal(offset=rows.start, dim1=-2, dim2=-1).fill_(False)
    weights.sub_(1).mul_(temperature).exp_().masked_fill_(cut, 0)
    return (weights @ values).div_(weights.sum(dim=-1, keepdim=True))
