"""Attention forms that replace a last block's own: plain, key-key, query-query, with a bias for neighbours.

Pure functions on per-head tensors; `Attention.project` and `Attention.merge` (nn/vit.py) stand around them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.types import Size


def softmax_attention(
    queries: Float[Tensor, "n m q k"],
    keys: Float[Tensor, "n m t k"],
    values: Float[Tensor, "n m t v"],
    *,
    bias: Float[Tensor, "*b q t"] | None = None,
) -> Float[Tensor, "n m q v"]:
    """Return softmax(QKᵀ/√k + bias)V per window and head.

    Args:
        bias: added to the logits: one for all windows and heads, or broadcast against "n m q t".
    """
    mask = None if bias is None else bias.to(queries)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


def key_key_attention(
    keys: Float[Tensor, "n m t k"],
    values: Float[Tensor, "n m t v"],
    *,
    bias: Float[Tensor, "t t"] | None = None,
) -> Float[Tensor, "n m t v"]:
    """Return softmax(KKᵀ/√k + bias)V: tokens attend to what is like them (NACLIP §3.2, arXiv 2404.08181)."""
    return softmax_attention(keys, keys, values, bias=bias)


def query_query_attention(
    queries: Float[Tensor, "n m t k"], values: Float[Tensor, "n m t v"]
) -> Float[Tensor, "n m t v"]:
    """Return softmax(QQᵀ/√k)V (ClearCLIP, arXiv 2407.12442; half of SCLIP, arXiv 2312.01597)."""
    return softmax_attention(queries, queries, values)


def mean_attention(
    pairs: Sequence[tuple[Float[Tensor, "n m t k"], Float[Tensor, "n m t k"]]],
    values: Float[Tensor, "n m t v"],
) -> Float[Tensor, "n m t v"]:
    """Return the mean over (queries, keys) of several blocks of softmax(QKᵀ/√k)V, V of one block.

    The attention maps of inner blocks at work on the last one's values (ResCLIP's RCS, arXiv 2411.15851),
    without a t × t matrix.
    """
    mixed = torch.zeros_like(values)
    for queries, keys in pairs:
        mixed += softmax_attention(queries, keys, values)
    return mixed / len(pairs)


def neighbour_bias(
    grid: Size, *, sigma: float, prefix: int, device: torch.device | str = "cpu"
) -> Float[Tensor, "t t"]:
    """Return ω: exp(−d²/2σ²) between patches at distance d on the grid, zero for prefix tokens (NACLIP).

    Analytic: exp of a sum is a product, so two small matrices make it. Patches row by row.

    Differs from RayFronts, which passes the grid as (width, height): ω is transposed there for windows that
    are not square.

    Args:
        sigma: in patches; 5 in NACLIP, 7 in RayFronts.
        prefix: CLS and register tokens before the patches.
    """
    down, across = (_gaussian(side, sigma, device) for side in grid)
    patches = down[:, None, :, None] * across[None, :, None, :]
    bias = patches.flatten(2).flatten(0, 1)
    return F.pad(bias, (prefix, 0, prefix, 0))


def _gaussian(side: int, sigma: float, device: torch.device | str) -> Float[Tensor, "s s"]:
    place = torch.arange(side, dtype=torch.float32, device=device)
    return (-(place[:, None] - place).square() / (2 * sigma**2)).exp()
