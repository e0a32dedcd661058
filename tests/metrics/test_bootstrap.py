"""Bootstrap intervals: the resampling by images, its seed, its memory and what it covers."""

import numpy as np
import pytest

from radseg.errors import InputError
from radseg.metrics.bootstrap import bootstrap_intervals


def share(sums):
    return {"share": sums[:, 0] / sums[:, 1]}


def images(count=40, seed=0):
    rng = np.random.default_rng(seed)
    total = rng.integers(50, 100, count)
    return np.stack([rng.binomial(total, rng.beta(5, 5, count)), total], 1)


def test_the_interval_equals_drawing_images_one_by_one():
    counts = images()
    rng = np.random.default_rng(3)
    slow = []
    for _ in range(20_000):
        drawn = counts[rng.integers(len(counts), size=len(counts))]
        slow.append(drawn[:, 0].sum() / drawn[:, 1].sum())
    ours = bootstrap_intervals(counts, share, draws=20_000)["share"]
    # Both are 20 000 draws: the quantiles differed by at most 1.4e-3 in ten seeds.
    assert ours == pytest.approx(np.quantile(slow, (0.025, 0.975)), abs=4e-3)


def test_the_same_seed_gives_the_same_interval_in_any_block_size():
    counts = images()
    whole = bootstrap_intervals(counts, share, draws=300)
    assert bootstrap_intervals(counts, share, draws=300, block_bytes=1) == whole
    assert bootstrap_intervals(counts, share, draws=300, seed=1) != whole


def test_memory_follows_the_block_and_not_the_draws():
    counts = images(500)
    rows = []

    def watched(sums):
        rows.append(len(sums))
        return share(sums)

    bootstrap_intervals(counts, watched, draws=500, block_bytes=16 * 502 * 50)
    assert max(rows) == 50
    assert sum(rows) == 500


def test_equal_images_have_an_interval_of_width_0():
    low, high = bootstrap_intervals(np.tile([3, 4], (10, 1)), share)["share"]
    assert low == high == 0.75


def test_one_image_has_no_interval():
    with pytest.raises(InputError, match="at least 2"):
        bootstrap_intervals(np.array([[1, 2]]), share)
