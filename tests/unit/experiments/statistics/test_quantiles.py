"""Quantiles: level and coverage where the truth is known; a status where there is too little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tests.unit.experiments.statistics.groups import LEVEL, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.quantiles import (
    QuantileRange,
    bounding_percentiles,
    quantiles,
)

N, UNITS = 2000, 2000


def ranges(values, quantile):
    """Of arrays (simulations, units)."""
    n = values.shape[1]
    at = [quantile, *bounding_percentiles(n, quantile)]
    table = np.quantile(values, at, axis=1)
    return [QuantileRange(n, *map(float, row)) for row in table.T]


@pytest.mark.parametrize(("quantile", "shift"), [(0.5, 0.0), (0.9, 0.3)])
def test_false_alarms_and_coverage(quantile, shift):
    rng = np.random.default_rng(1)
    groups = [rng.lognormal(0, 1, (N, UNITS)) for _ in range(2)]
    pairs = zip(ranges(groups[0] + shift, quantile), ranges(groups[1], quantile), strict=True)
    found = [quantiles(*pair, significance_level=LEVEL) for pair in pairs]
    covered = np.mean([one.effect_low <= shift <= one.effect_high for one in found])
    # The error itself is estimated from some dozen values between two percentiles.
    assert within(covered, 0.95, N, errors=4.5)
    if not shift:
        assert covered == 1 - np.mean([one.p_value < LEVEL for one in found])


def test_the_standard_error_is_that_of_the_density():
    """√(q (1 − q) ÷ n) ÷ f at the quantile, for many units."""
    n, quantile = 1_000_000, 0.75
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    group = ranges(values[None], quantile)[0]
    found = quantiles(group, group, significance_level=LEVEL)
    error = np.sqrt(quantile * (1 - quantile) / n) / stats.norm.pdf(stats.norm.ppf(quantile))
    assert found.effect_high == pytest.approx(1.959964 * np.sqrt(2) * error, rel=1e-3)


GOOD = QuantileRange(100, 2.0, 1.5, 2.5)


@pytest.mark.parametrize(
    ("treated", "status"),
    [
        (QuantileRange(0, None, None, None), "too_few_units"),
        (QuantileRange(10, 2.0, None, None), "too_few_units"),
        (QuantileRange(10, 2.0, float("nan"), 3.0), "not_finite"),
        (QuantileRange(100, 2.0, 1.5, 2.5), "ok"),
    ],
)
def test_what_cannot_be_compared_has_a_status(treated, status):
    for pair in [(treated, GOOD), (GOOD, treated)]:
        found = quantiles(*pair, significance_level=LEVEL)
        assert (found.status, found.is_usable) == (status, status == "ok")


def test_zeros_in_the_middle_have_no_variance():
    zero = QuantileRange(100, 0.0, 0.0, 0.0)
    assert quantiles(zero, zero, significance_level=LEVEL).status == "no_variance"


def test_percentiles_are_inside_or_there_are_none():
    assert bounding_percentiles(0, 0.5) is None
    assert bounding_percentiles(5, 0.9) is None
    low, high = bounding_percentiles(1000, 0.9)
    assert 0 < low < 0.9 < high < 1
    with pytest.raises(UsageError):
        bounding_percentiles(10, 1.0)
