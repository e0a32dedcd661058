"""SC-CLIP's anomalous tokens (arXiv 2411.15869): tokens far from all others, and what replaces them."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from radseg.types import Size


def outlier_scores(tokens: Float[Tensor, "p d"], *, neighbours: int) -> Float[Tensor, " p"]:
    """Return the local outlier factor of every token as SC-CLIP computes it.

    With r_i the squared distance to the k-th nearest other token: r_i · mean of 1/r_j over the k nearest j.
    Textbook LOF uses the neighbour's k-th distance where SC-CLIP uses the token's own, and then the factor
    collapses to this (methods spec 4). Fewer tokens than k + 1 use all others; equal tokens score 1.
    """
    k = min(neighbours, len(tokens) - 1)
    if k < 1:
        return tokens.new_ones(len(tokens), dtype=torch.float32)
    values = tokens.float()
    distance = torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist").square()
    distance.fill_diagonal_(torch.inf)
    near, index = distance.topk(k, dim=1, largest=False)
    reach = near[:, -1].clamp_min(1e-12)
    return reach * (1 / reach)[index].mean(dim=1)


def find_outliers(
    tokens: Float[Tensor, "n p d"], *, neighbours: int = 30, share: float = 0.05
) -> Bool[Tensor, "n p"]:
    """Return which tokens of each window have a score above its 1 − share quantile."""
    scores = torch.stack([outlier_scores(window, neighbours=neighbours) for window in tokens])
    return scores > scores.quantile(1 - share, dim=1, keepdim=True)


def correct_outliers(
    tokens: Float[Tensor, "n p d"], outliers: Bool[Tensor, "n p"], grid: Size
) -> Float[Tensor, "n p d"]:
    """Return the tokens, outliers replaced by the mean of their eight neighbours that are none.

    An outlier without such a neighbour stays. Differs from the published code, which takes an index's row as
    index // height, right for square windows only.
    """
    good = (~outliers).to(tokens.dtype)
    maps = (tokens * good[..., None]).mT.unflatten(-1, tuple(grid))
    count = _sum_of_neighbours(good.unflatten(-1, tuple(grid))[:, None])
    mean = _sum_of_neighbours(maps) / count.clamp_min(1)
    replace = outliers[..., None] & (count.flatten(2).mT > 0)
    return torch.where(replace, mean.flatten(2).mT, tokens)


def _sum_of_neighbours(maps: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
    """Return at each place the sum over the eight around it, zero beyond the border."""
    return F.avg_pool2d(maps, 3, stride=1, padding=1, divisor_override=1) - maps
