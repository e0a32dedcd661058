"""The mean of a few numbers, one per image or room, and how far it can be trusted."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from radseg.errors import InputError
from radseg.metrics.bootstrap import middle


class Mean(NamedTuple):
    """A mean and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def mean_interval(values: Float64[np.ndarray, " n"], *, draws: int = 2000) -> Mean:
    """Return the mean of `values` and the middle 95 % of the means of resamples; always the same draws.

    For a paired comparison, hand in the differences.

    Raises:
        InputError: there are no values.
    """
    if not len(values):
        raise InputError("There is no mean of no values.")
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(1)
    return Mean(float(values.mean()), *middle(means))
