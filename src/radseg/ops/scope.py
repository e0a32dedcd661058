"""Attention by cosine within a scope: the tokens of one region, or similar ones where there is no region."""

import torch
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from radseg.ops.correlation import DEFAULT_BLOCK_BYTES, mean_cosine, unit_rows


def merge_regions(
    regions: Int[Tensor, " t"], unit: Float[Tensor, "t d"], *, within: float
) -> Int[Tensor, " t"]:
    """Return the regions with those joined whose mean features are similar, from 1; what is free is 0.

    Free is the lowest number present: 0, or the first region where regions cover all (published code).

    Two are linked when the cosine of their means is at least 1 − `within`, and links chain: DBSCAN with a
    least count of 1, as CorrCLIP merges (methods spec 10b, where the distance is the matrix's largest cosine,
    its diagonal, minus the cosine).

    Args:
        regions: number of each token's region, 0 for none.
        unit: tokens of unit length.
        within: 0.2 in CorrCLIP; below 0 nothing is joined.
    """
    present, at = regions.unique(return_inverse=True)
    sums = unit.new_zeros(len(present), unit.shape[1]).index_add_(0, at, unit)
    means = unit_rows(sums[1:])
    linked = (1 - means @ means.mT <= within).cpu().numpy()
    groups = torch.from_numpy(connected_components(linked, directed=False)[1] + 1).to(at)
    return torch.cat([at.new_zeros(1), groups])[at]


def scoped_attention(
    tokens: Float[Tensor, "n t d"],
    values: Float[Tensor, "n t e"],
    regions: Int[Tensor, "n t"],
    *,
    temperature: float,
    block_bytes: int = DEFAULT_BLOCK_BYTES,
) -> Float[Tensor, "n t e"]:
    """Return per token the mean of the values in its scope, weighted by softmax(temperature·cosine).

    CorrCLIP's scope (arXiv 2411.10086, methods spec 10b): a pair counts when both tokens lie in one region,
    or one of them in none and their cosine is above the window's mean. A token always counts for itself.

    Args:
        tokens: compared with each other; need not be normalised.
        regions: number of each token's region, 0 for none.
        temperature: multiplies the cosine; 4 in CorrCLIP.
        block_bytes: of one block of cosines.
    """
    unit, limits = unit_rows(tokens), mean_cosine(tokens)
    out = torch.empty_like(values, dtype=unit.dtype)
    count = unit.shape[1]
    step = max(1, block_bytes // (unit.element_size() * count))
    for n in range(len(unit)):
        free = regions[n] == 0
        for start in range(0, count, step):
            rows = slice(start, start + step)
            cosine = unit[n, rows] @ unit[n].mT
            same = regions[n, rows, None] == regions[n]
            counts = torch.where(free[rows, None] | free, cosine > limits[n], same)
            counts.diagonal(offset=start).fill_(True)
            weights = cosine.sub_(1).mul_(temperature).exp_().masked_fill_(~counts, 0)
            out[n, rows] = (weights @ values[n].to(weights)).div_(weights.sum(dim=-1, keepdim=True))
    return out.to(values.dtype)
