"""The labels a map gives its voxels: softmax over the names, denoising, threshold (mapping spec 3.5).

Labels are 0 for none, classes from 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE, DENOISING, THRESHOLD = 100.0, 0.5, 0.1
PUBLISHED_ROWS = 10_000
"""Voxels over which RayFronts judges whether a class occurs at all (its chunk_size)."""


@dataclass(frozen=True)
class Decision:
    """How probabilities become labels (mapping spec 3.5).

    Attributes:
        denoising: a class that is nowhere at least this probable is removed; 0 keeps all.
        threshold: a voxel whose best class is less probable than this gets 0.
    """

    denoising: float = DENOISING
    threshold: float = THRESHOLD


PUBLISHED = Decision()


def voxel_probabilities(
    features: Float[Tensor, "m e"], text: Float[Tensor, "c e"], *, temperature: float = TEMPERATURE
) -> Float[Tensor, "m c"]:
    """Return softmax(temperature · cosine) over the classes; NaN for a feature without direction."""
    lengths = features.norm(dim=1, keepdim=True)
    cosine = (features / lengths) @ F.normalize(text, dim=1, eps=1e-12).T
    return (temperature * cosine).softmax(dim=1)


def predict_labels(
    probabilities: Iterable[Float[Tensor, "m c"]], decision: Decision = PUBLISHED
) -> Int[Tensor, " n"]:
    """Return the label of every voxel of a map, given in chunks: denoising looks at the whole map.

    Differs from RayFronts, which denoises every 10 000 voxels on their own, so that labels depend on the
    order of the rows (`predict_labels_by_chunk` does that), and where one voxel without direction (NaN) gets
    class 1 and switches denoising off for its whole chunk: here it gets 0 and touches nothing else.

    Args:
        probabilities: over the same classes in every chunk.
    """
    chunks = list(probabilities)
    peaks = [part.nan_to_num(0.0).amax(dim=0) for part in chunks if len(part)]
    if not peaks:
        return torch.empty(0, dtype=torch.int64)
    kept = torch.stack(peaks).amax(dim=0) >= decision.denoising
    return torch.cat([_decide(part, kept, decision) for part in chunks])


def predict_labels_by_chunk(
    probabilities: Float[Tensor, "m c"], decision: Decision = PUBLISHED, *, rows: int = PUBLISHED_ROWS
) -> Int[Tensor, " m"]:
    """Return labels as RayFronts gives them: denoised among each `rows` consecutive voxels alone."""
    parts = [predict_labels([part], decision) for part in probabilities.split(rows)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def _decide(part: Float[Tensor, "m c"], kept: Tensor, decision: Decision) -> Int[Tensor, " m"]:
    """Return winner + 1 among the kept classes of unchanged probabilities, 0 under the threshold."""
    usable = part.nan_to_num(-1.0).masked_fill(~kept, -1.0)
    value, winner = usable.max(dim=1)
    return torch.where((value >= decision.threshold) & (value >= 0), winner + 1, 0)
