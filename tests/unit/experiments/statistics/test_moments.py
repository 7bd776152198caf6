"""Moments of parts, merged in any way, are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.moments import PAIRS, Moments
from sparkperso.testing.moments import simulated_moments


def rows(n, seed=1):
    rng = np.random.default_rng(seed)
    d = rng.poisson(5, n) + 1.0
    return {"y": rng.gamma(2, 3, n) * d, "d": d, "x": rng.normal(100, 3, n), "w": rng.random(n)}


def close(one, other):
    assert one.n == other.n
    np.testing.assert_allclose(one.means, other.means, rtol=1e-12)
    np.testing.assert_allclose(one.comoments, other.comoments, rtol=1e-10)


def cut(table, start, stop):
    return {name: values[start:stop] for name, values in table.items()}


def test_the_covariances_are_numpys():
    table = rows(200)
    moments = Moments.from_rows(**table)
    for first, second in PAIRS:
        expected = np.cov(table[first], table[second])[0, 1]
        assert moments.covariance(first, second) == pytest.approx(expected, rel=1e-12)
        assert moments.covariance(second, first) == moments.covariance(first, second)


def test_merged_parts_are_the_whole_in_any_order():
    table = rows(300)
    parts = [
        Moments.from_rows(**cut(table, a, b)) for a, b in [(0, 1), (1, 40), (40, 40), (40, 300)]
    ]
    whole = Moments.from_rows(**table)
    close(Moments.merged(parts), whole)
    close(Moments.merged(parts[::-1]), whole)


def test_nobody_changes_nothing():
    whole = Moments.from_rows(**rows(3))
    assert Moments.empty().merge(whole) == whole == whole.merge(Moments.empty())
    assert Moments.from_rows([]) == Moments.empty() == Moments.merged([])


def test_large_values_that_vary_little_keep_their_variance():
    """Where sums of squares would have lost it: 1e9 squared has no place for 0.25."""
    values = 1e9 + np.tile([0.0, 1.0], 500)
    merged = Moments.merged(Moments.from_rows(part) for part in np.split(values, 10))
    assert merged.variance("y") == pytest.approx(0.25 * 1000 / 999, rel=1e-6)


def test_counts_are_rows_of_zeros_and_ones():
    close(Moments.from_counts(3, 10), Moments.from_rows([1.0] * 3 + [0.0] * 7))
    assert Moments.from_counts(0, 0) == Moments(0, (0, 1, 0, 1), (0,) * 10)


def test_simulated_moments_are_those_of_each_row():
    tables = [rows(50, seed) for seed in (1, 2)]
    stacked = {name: np.stack([table[name] for table in tables]) for name in "ydxw"}
    for one, table in zip(simulated_moments(**stacked), tables, strict=True):
        close(one, Moments.from_rows(**table))
    close(simulated_moments(stacked["y"])[1], Moments.from_rows(tables[1]["y"]))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Moments.from_rows([1.0, 2.0], d=[1.0]),
        lambda: Moments.from_counts(4, 3),
        lambda: Moments.from_rows([1.0]).variance("y"),
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
