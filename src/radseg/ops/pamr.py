"""PAMR, pixel-adaptive mask refinement (Araslanov and Roth 2020, arXiv 2005.08104): maps follow the image.

Every pixel becomes a mean of its neighbours, weighted by how alike they look, several times over. The weights
are known from the image alone, so they are computed once and any number of maps can be refined in parts.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError

OFFSETS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
SHARPNESS = 0.1
"""A neighbour's difference counts in units of this many local standard deviations (reference code)."""
DILATIONS = (8, 16)
"""Of the CLIP methods that use PAMR (SCLIP and after); the first publication has (1, 2, 4, 8, 12, 24)."""
ITERATIONS = 10


def pamr_weights(
    image: Float[Tensor, "3 H W"], *, dilations: Sequence[int] = DILATIONS
) -> Float[Tensor, "k H W"]:
    """Return the weight of each of the k = 8·|dilations| neighbours of every pixel; they sum to 1.

    softmax over n of  −mean_c |x_c(n) − x_c|/(10⁻⁸ + 0.1·σ_c),  σ_c the unbiased standard deviation of
    channel c over the neighbours of all dilations and, once per dilation, the pixel itself (methods spec
    10.1). Beyond the border the border pixel counts. Scaling or shifting a channel changes nothing (up to the
    10⁻⁸), so normalised and plain images give the same.

    Raises:
        InputError: no dilation, or one below 1.
    """
    if not dilations or min(dilations) < 1:
        raise InputError(f"dilations are {tuple(dilations)}; PAMR needs at least one, each 1 or more.")
    differences = [shifted - image for shifted in _neighbours(image, dilations)]
    # Of differences to the pixel itself, which are small: no cancellation, and the pixel adds zeros.
    samples = 9 * len(dilations)
    total, squares = torch.zeros_like(image), torch.zeros_like(image)
    for difference in differences:
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / samples).clamp_min_(0) / (samples - 1)
    unit = 1e-8 + SHARPNESS * variance.sqrt()
    return torch.stack([-(d.abs() / unit).mean(dim=0) for d in differences]).softmax(dim=0)


def pamr(
    maps: Float[Tensor, "c H W"],
    weights: Float[Tensor, "k H W"],
    *,
    dilations: Sequence[int] = DILATIONS,
    iterations: int = ITERATIONS,
) -> Float[Tensor, "c H W"]:
    """Return the maps after `iterations` weighted means over the neighbours, each map on its own.

    Args:
        weights: of `pamr_weights` for the same size and dilations.
    """
    for _ in range(iterations):
        mixed = torch.zeros_like(maps)
        for weight, shifted in zip(weights, _neighbours(maps, dilations), strict=True):
            mixed.addcmul_(weight, shifted)
        maps = mixed
    return maps


def _neighbours(maps: Float[Tensor, "c H W"], dilations: Sequence[int]) -> Iterator[Float[Tensor, "c H W"]]:
    """Yield the maps as seen by each neighbour in turn: views of one padded copy per dilation."""
    height, width = maps.shape[-2:]
    for step in dilations:
        padded = F.pad(maps[None], (step, step, step, step), mode="replicate")[0]
        for y, x in OFFSETS:
            top, left = step * (1 + y), step * (1 + x)
            yield padded[:, top : top + height, left : left + width]
