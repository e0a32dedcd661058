"""The labels an evaluation gives the voxels of a map: 0 for none, classes from 1 (mapping spec 3.5)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.ops.cosine import point_cosine, unit_points
from radseg.scoring import DENOISING, TEMPERATURE, class_probabilities, decide

THRESHOLD = 0.1
"""Probability under which a voxel has no class."""
PUBLISHED_ROWS = 10_000
"""Voxels over which RayFronts judges whether a class occurs at all (its chunk_size)."""


def voxel_probabilities(
    features: Float[Tensor, "m e"], text: Float[Tensor, "c e"], *, temperature: float = TEMPERATURE
) -> Float[Tensor, "c m"]:
    """Return softmax(temperature · cosine) over the classes; all 0 for a feature without direction."""
    points = unit_points(features)
    probabilities = class_probabilities(point_cosine(points, text), temperature=temperature)
    return probabilities.masked_fill(~points.any(dim=1), 0.0)


def predict_labels(
    probabilities: Float[Tensor, "c m"], *, denoising: float = DENOISING, threshold: float = THRESHOLD
) -> Int[Tensor, " m"]:
    """Return the label of every voxel of a map: denoising looks at the whole map.

    Differs from RayFronts, which denoises every 10 000 voxels on their own, so that labels depend on the
    order of the voxels (`predict_labels_by_chunk` does that), and where one voxel without direction gets
    class 1 and switches denoising off for its whole chunk: here it gets 0 and touches nothing else.

    Args:
        denoising: a class that is nowhere at least this probable is removed; 0 keeps all.
        threshold: a voxel whose best class is less probable than this gets 0.
    """
    if probabilities.shape[1] == 0:
        return torch.empty(0, dtype=torch.int64)
    nothing = torch.zeros_like(probabilities[:1])  # wins where no class is probable at all
    decision = decide(probabilities, none=nothing, denoising=denoising, threshold=threshold)
    return decision.labels.long()


def predict_labels_by_chunk(
    probabilities: Float[Tensor, "c m"],
    *,
    denoising: float = DENOISING,
    threshold: float = THRESHOLD,
    rows: int = PUBLISHED_ROWS,
) -> Int[Tensor, " m"]:
    """Return labels as RayFronts gives them: denoised among each `rows` consecutive voxels alone."""
    chunks = probabilities.split(rows, dim=1)
    return torch.cat([predict_labels(chunk, denoising=denoising, threshold=threshold) for chunk in chunks])
