import numpy as np
import pytest

from radseg.errors import InputError
from radseg.metrics.means import mean_interval


def test_the_interval_holds_the_mean():
    mean, low, high = mean_interval(np.random.default_rng(0).normal(0.5, 0.1, 200))
    assert low < mean < high
    assert high - low == pytest.approx(4 * 0.1 / 200**0.5, rel=0.2)


def test_equal_values_leave_no_doubt_and_the_draws_repeat():
    assert mean_interval(np.full(5, 0.25)) == (0.25, 0.25, 0.25)
    values = np.arange(10.0)
    assert mean_interval(values) == mean_interval(values)


def test_no_values_have_no_mean():
    with pytest.raises(InputError, match="no mean of no values"):
        mean_interval(np.array([]))
