"""ResCLIP's semantic feedback (SFR, arXiv 2411.15851): a first segmentation tells what belongs together.

`patch_labels` makes the first segmentation, `label_affinity` the matrix that the last block's logits get;
what the block does with it is the methods' (ResCLIP, ResRADIO).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from radseg.ops.resize import resize
from radseg.types import Size

Rules = Literal["corrected", "paper"]
UNSURE = -1
SIGMA = 5.0


@dataclass(frozen=True)
class Residuals:
    """ResCLIP's numbers, here those of ADE20K; the published code tunes them per data set, on its evaluation
    images (methods spec 3): `evaluation.paper.protocols` has all five.

    Attributes:
        threshold: a pixel whose best row is less probable than this is unsure.
        gain, share: τ_r and λ_r of the residual attention: gain·((1 − share)·own + share·inner).
        feedback_gain, feedback_share: τ_s and λ_s: the logits gain·((1 − share)·KKᵀ/√k + share·affinity).
    """

    threshold: float = 0.25
    gain: float = 2.0
    share: float = 0.3
    feedback_gain: float = 2.1
    feedback_share: float = 0.7


def inner_blocks(depth: int) -> tuple[int, ...]:
    """Return the blocks, from 1, whose attention RCS uses: 6 to 9 of 12, as deep relatively elsewhere.

    Other depths are ours; ResCLIP knows 12 blocks only.
    """
    first, last = max(1, round(depth / 2)), max(1, min(round(depth * 3 / 4), depth - 1))
    return tuple(range(min(first, last), last + 1))


def patch_labels(
    cosines: Float[Tensor, "r h w"],
    *,
    patch: int,
    temperature: float,
    threshold: float,
    refine: Callable[[Float[Tensor, "r H W"]], Float[Tensor, "r H W"]] | None = None,
    rules: Rules = "corrected",
) -> Int[Tensor, "h w"]:
    """Return for every patch the row that most of its pixels choose, UNSURE where most are unsure.

    Args:
        cosines: of the text rows, on the window's patches; brought to its pixels bilinearly.
        temperature: multiplies the cosine before the softmax over the rows.
        threshold: a pixel whose best row is less probable than this is unsure.
        refine: applied to the rows' maps at the pixels before the softmax; PAMR in ResCLIP.
        rules: see `patch_votes`.
    """
    probabilities = pixel_probabilities(cosines, patch=patch, temperature=temperature, refine=refine)
    return patch_votes(probabilities, patch=patch, threshold=threshold, rules=rules)


def pixel_probabilities(
    cosines: Float[Tensor, "r h w"],
    *,
    patch: int,
    temperature: float,
    refine: Callable[[Float[Tensor, "r H W"]], Float[Tensor, "r H W"]] | None = None,
) -> Float[Tensor, "r H W"]:
    """Return the softmax over the rows at the pixels of the window; see `patch_labels`."""
    pixels = resize(cosines, Size(*(side * patch for side in cosines.shape[1:])))
    return (pixels if refine is None else refine(pixels)).mul(temperature).softmax(dim=0)


def patch_votes(
    probabilities: Float[Tensor, "r H W"], *, patch: int, threshold: float, rules: Rules = "corrected"
) -> Int[Tensor, "h w"]:
    """Return the row that most pixels of a patch choose; of equal votes the lowest row wins.

    Args:
        rules: "corrected" counts pixels below the threshold as UNSURE; "paper" counts them for the first row
            before the vote, as the published code does.
    """
    rows, height, width = len(probabilities), *(side // patch for side in probabilities.shape[1:])
    best, index = probabilities.max(dim=0)
    index = torch.where(best < threshold, rows if rules == "corrected" else 0, index)
    cells = index.unflatten(1, (width, patch)).unflatten(0, (height, patch)).transpose(1, 2).flatten(2)
    votes = F.one_hot(cells, rows + 1).sum(dim=2)  # the first of equal rows wins
    chosen = votes.argmax(dim=2)
    return torch.where(chosen == rows, UNSURE, chosen)


def label_affinity(
    labels: Int[Tensor, "h w"], *, sigma: float = SIGMA, rules: Rules = "corrected"
) -> Float[Tensor, "p p"]:
    """Return how much each patch belongs with each other, in [0, 1]: same label, near, nothing else between.

    Equal labels give 1; a pair whose straight connection leaves the label is damped by exp(−d/max d), d the
    Chebyshev distance. Every row is smoothed by a Gaussian of σ patches, made to sum to 1, and all are
    divided by the largest entry (methods spec 3). The Gaussian is cut to 6σ + 1 entries; where a stretch is
    shorter, to its length, made odd downwards ("corrected") or upwards ("paper").

    Differs from the published code, which "paper" repeats: it examines only the first part of a short
    connection, smooths over the flattened index so that the end of an image row runs into the next one, and
    takes unsure patches as of the first class. "corrected" examines the whole connection, smooths within
    image rows, and lets an unsure patch belong with itself alone. The largest entry is the window's, not the
    batch's.
    """
    height, width = labels.shape
    flat = (labels if rules == "corrected" else labels.clamp_min(0)).flatten()
    same = (flat[:, None] == flat) & (flat != UNSURE)[:, None]
    same.fill_diagonal_(True)
    distance = chebyshev(Size(height, width), labels.device)
    crossing = same & leaves_label(flat.view(height, width), distance, rules)
    damping = (-distance / distance.max().clamp_min(1)).exp()
    affinity = torch.where(crossing, damping, same.to(damping))
    smoothed = _smoothed(affinity, width if rules == "corrected" else flat.numel(), sigma, rules)
    rowwise = smoothed / (smoothed.sum(dim=1, keepdim=True) + 1e-8)
    return rowwise / rowwise.max()


def chebyshev(grid: Size, device: torch.device | str = "cpu") -> Float[Tensor, "p p"]:
    """Return the larger of the row and column distance of all pairs of patches."""
    down, across = (torch.arange(side, device=device) for side in grid)
    rows = (down[:, None] - down).abs()[:, None, :, None]
    columns = (across[:, None] - across).abs()[None, :, None, :]
    return torch.maximum(rows, columns).flatten(2).flatten(0, 1).float()


def leaves_label(
    labels: Int[Tensor, "h w"], distance: Float[Tensor, "p p"], rules: Rules
) -> Bool[Tensor, "p p"]:
    """Return for all pairs whether a sample of the straight line between them has another label."""
    width = labels.shape[1]
    flat = labels.flatten()
    place = torch.arange(len(flat), device=flat.device)
    row, column = (place // width).float(), (place % width).float()
    longest = int(distance.max())
    leaves = torch.zeros_like(distance, dtype=torch.bool)
    for k in range(longest + 1):
        # Where on the way from i to j the k-th sample lies.
        part = k / distance.clamp_min(1) if rules == "corrected" else torch.tensor(k / max(longest, 1))
        down = (row[:, None] + part * (row - row[:, None])).round().long()
        across = (column[:, None] + part * (column - column[:, None])).round().long()
        on_the_way = k <= distance
        seen = flat[torch.where(on_the_way, down * width + across, 0)]
        leaves |= on_the_way & (seen != flat[:, None])
    return leaves


def _smoothed(affinity: Float[Tensor, "p p"], run: int, sigma: float, rules: Rules) -> Float[Tensor, "p p"]:
    """Return each row smoothed by a Gaussian along stretches of `run` entries, zeros beyond their ends."""
    size = min(run, int(6 * sigma) + 1)
    size += (1 - size % 2) * (1 if rules == "paper" else -1)
    place = torch.arange(size, device=affinity.device) - size // 2
    kernel = (-(place.float().square()) / (2 * sigma**2)).exp()
    stretches = affinity.reshape(-1, 1, run)
    return F.conv1d(stretches, (kernel / kernel.sum())[None, None], padding=size // 2).view_as(affinity)
