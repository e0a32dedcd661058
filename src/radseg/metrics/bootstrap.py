"""Bootstrap intervals of scores that pool counts over images (Efron & Tibshirani 1993, §13.3)."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from radseg.errors import InputError

DRAWS = 1000
BLOCK_BYTES = 64 * 2**20  # of weights and resampled counts alive at once


class Interval(NamedTuple):
    """The middle 95 % of the resampled scores."""

    low: float
    high: float


def bootstrap_intervals(
    counts: Int64[np.ndarray, "n k"],
    scores: Callable[[Float64[np.ndarray, "b k"]], Mapping[str, Float64[np.ndarray, " b"]]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> dict[str, Interval]:
    """Return the 95 % interval of every score when whole images are drawn with replacement.

    The images' counts are summed first and the scores taken of the sums, as for the set itself. The same
    seed gives the same interval, whatever the block size.

    Args:
        counts: one row of additive counts per image.
        scores: maps rows of summed counts to named scores; NaN where a draw has none, left out.

    Raises:
        InputError: fewer than two images, which have no spread.
    """
    exact = counts.astype(np.float64)  # whole numbers far below 2⁵³: the matrix product is exact
    return weighted_intervals(
        len(counts),
        lambda times: scores(times @ exact),
        columns=counts.shape[1],
        draws=draws,
        seed=seed,
        block_bytes=block_bytes,
    )


def weighted_intervals(
    images: int,
    scores: Callable[[Float64[np.ndarray, "b n"]], Mapping[str, Float64[np.ndarray, " b"]]],
    *,
    columns: int = 1,
    draws: int = DRAWS,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> dict[str, Interval]:
    """Return the same for scores that are no function of summed counts, such as average precision.

    Args:
        scores: maps rows of how often each image was drawn to named scores.
        columns: numbers per row, beside those of the images, that `scores` holds at once.

    Raises:
        InputError: as `bootstrap_intervals`.
    """
    if images < 2:
        raise InputError(f"{images} image has no bootstrap interval; at least 2 are needed.")
    drawn: dict[str, list[Float64[np.ndarray, " b"]]] = {}
    for times in _drawn(images, columns, draws, seed, block_bytes):
        for name, values in scores(times).items():
            drawn.setdefault(name, []).append(values)
    return {name: middle(np.concatenate(parts)) for name, parts in drawn.items()}


def _drawn(
    images: int, columns: int, draws: int, seed: int, block_bytes: int
) -> Iterator[Float64[np.ndarray, "b n"]]:
    share = np.full(images, 1 / images)
    rng = np.random.default_rng(seed)
    block = max(1, block_bytes // (16 * (images + columns)))
    for start in range(0, draws, block):
        yield rng.multinomial(images, share, size=min(block, draws - start)).astype(np.float64)


def middle(values: Float64[np.ndarray, " b"]) -> Interval:
    """Return the 2.5 % and 97.5 % quantiles of resampled scores; NaN is left out."""
    low, high = np.nanquantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
