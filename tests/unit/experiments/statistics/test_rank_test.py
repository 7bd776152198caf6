"""Mann–Whitney from counts is scipy's from rows, with ties and without."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tests.unit.experiments.statistics.groups import LEVEL, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.rank_test import ValueCounts, mann_whitney


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_it_is_scipys(decimals):
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.3, 1, 150).round(decimals), rng.normal(0, 1, 90).round(decimals)
    found = mann_whitney(ValueCounts.from_rows(one, other), significance_level=LEVEL)
    expected = stats.mannwhitneyu(one, other, method="asymptotic", use_continuity=False)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.value == pytest.approx(expected.statistic / 150 / 90, rel=1e-12)
    # The interval's error is that of Brunner and Munzel's statistic.
    error = (found.effect_high - found.effect) / stats.norm.ppf(0.975)
    munzel = stats.brunnermunzel(one, other)
    assert abs(found.effect / error) == pytest.approx(abs(munzel.statistic), rel=1e-9)


def simulated(n, units, shift, seed):
    """Counts of purchases: mostly none, many ties."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        one, other = rng.poisson(0.6 + shift, units), rng.poisson(0.6, units)
        yield mann_whitney(ValueCounts.from_rows(one, other), significance_level=LEVEL)


def test_false_alarms_and_coverage():
    n = 2000
    found = list(simulated(n, 100, 0.0, seed=2))
    assert within(np.mean([one.p_value < LEVEL for one in found]), LEVEL, n)
    first, second = (stats.poisson.pmf(np.arange(40), rate) for rate in (0.9, 0.6))
    true = float(first @ (np.cumsum(second) - second / 2)) - 0.5
    found = list(simulated(n, 100, 0.3, seed=3))
    assert within(np.mean([one.effect_low <= true <= one.effect_high for one in found]), 0.95, n)


def test_huge_values_and_infinities_count_as_large():
    plain = mann_whitney(ValueCounts.from_rows([1, 2, 3, 9], [0, 1, 2]), significance_level=LEVEL)
    huge = mann_whitney(
        ValueCounts.from_rows([1, 2, 3, np.inf], [0, 1, 2]), significance_level=LEVEL
    )
    assert plain == huge


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        ([], [], "too_few_units"),
        ([1.0], [1.0, 2.0], "too_few_units"),
        ([0.0] * 5, [0.0] * 4, "no_variance"),
        ([5.0, 6.0, 7.0], [1.0, 2.0, 3.0], "ok"),
    ],
)
def test_extremes_have_a_status(one, other, status):
    found = mann_whitney(ValueCounts.from_rows(one, other), significance_level=LEVEL)
    assert (found.status, found.is_usable) == (status, status == "ok")
    if status == "ok":  # Nothing overlaps: the interval still has a width.
        assert found.effect_low < found.effect == found.effect_high == 0.5


@pytest.mark.parametrize(
    "counts",
    [
        ValueCounts(np.array([1.0, 1.0]), np.ones(2), np.ones(2)),
        ValueCounts(np.array([1.0, np.nan]), np.ones(2), np.ones(2)),
        ValueCounts(np.array([1.0, 2.0]), np.ones(2), np.ones(3)),
    ],
)
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(UsageError):
        mann_whitney(counts, significance_level=LEVEL)
