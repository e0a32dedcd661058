"""Run lengths of masks: how many values are false, then true, then false, and so on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool


def run_lengths(values: Bool[np.ndarray, " n"]) -> list[int]:
    """Return the lengths of the runs, the first of them of false values: 0 where the first is true."""
    edges = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0))
    counts: list[int] = np.diff(edges, prepend=0, append=len(values)).tolist()
    return counts


def of_run_lengths(counts: Sequence[int], total: int) -> Bool[np.ndarray, " n"]:
    """Return the `total` values of which these are the run lengths.

    Raises:
        ValueError: one is negative or no whole number, or together they are not the total.
    """
    if not all(type(count) is int and 0 <= count <= total for count in counts) or sum(counts) != total:
        raise ValueError(f"run lengths that are not of {total:,} pixels")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)
