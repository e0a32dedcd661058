"""The one operator behind SCRA and SCGA: attention by thresholded cosine similarity.

Softmax ignores a constant shift, so "subtract a centre, mask the negatives, scale, softmax" is "mask below a
threshold, scale, softmax":  out_i = Σ_j softmax_j(τ·cos(t_i, t_j))·v_j  over those j with cos(t_i, t_j) ≥ θ.
`correlation_attention_dense` is the definition; `correlation_attention` is what runs.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

DEFAULT_BLOCK_BYTES = (
    64 * 2**20
)  # of one block of cosines; larger brings no speed on CPU (docs/experiments.md)


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
    mixed = values.to(unit.dtype)
    limit = torch.as_tensor(threshold, dtype=unit.dtype, device=unit.device)[..., None, None]
    rows_total = max(1, block_bytes // (unit.element_size() * count * (unit[..., 0, 0].numel() or 1)))
    out = torch.empty((*unit.shape[:-1], values.shape[-1]), dtype=unit.dtype, device=unit.device)
    for start in range(0, count, rows_total):
        stop = min(start + rows_total, count)
        # exp(τ(cos − 1)) lies in [exp(−2τ), 1] and is 1 on the diagonal: no row maximum is needed.
        weights = unit[..., start:stop, :] @ unit.mT
        cut = weights < limit
        cut.diagonal(offset=start, dim1=-2, dim2=-1).fill_(False)
        weights.sub_(1).mul_(temperature).exp_().masked_fill_(cut, 0)
        out[..., start:stop, :] = (weights @ mixed).div_(weights.sum(dim=-1, keepdim=True))
    return out.to(values.dtype)
