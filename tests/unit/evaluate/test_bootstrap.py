"""The interval covers at its level, and narrows as it should."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval


def bucketed(values, n_buckets, rng):
    buckets = rng.integers(0, n_buckets, len(values))
    counts = np.bincount(buckets, minlength=n_buckets)
    sums = np.bincount(buckets, values, minlength=n_buckets)
    held = counts > 0
    return counts[held].astype(float), sums[held]


@pytest.mark.parametrize(("n_users", "n_buckets"), [(300, 2000), (2000, 200)])
def test_the_interval_covers_the_true_mean_at_its_level(n_users, n_buckets):
    rng = np.random.default_rng(7)
    trials, covered = 200, 0
    for seed in range(trials):
        skewed = rng.exponential(0.1, n_users) * (rng.random(n_users) < 0.5)
        interval = bootstrap_interval(*bucketed(skewed, n_buckets, rng), 200, 0.9, seed)
        covered += interval.low <= 0.05 <= interval.high
    # Three standard errors of a share of 0.9 in 200 trials are 0.064.
    assert covered / trials == pytest.approx(0.9, abs=0.064)


def test_the_mean_is_over_users_not_over_buckets():
    interval = bootstrap_interval(np.array([1.0, 3.0]), np.array([1.0, 0.0]), 200, 0.95, 1)
    assert interval.mean == 0.25


def test_the_same_seed_gives_the_same_interval():
    counts, sums = np.ones(50), np.arange(50.0)
    first, second, other = (bootstrap_interval(counts, sums, 300, 0.95, s) for s in (1, 1, 2))
    assert first == second != other


def test_no_buckets_give_no_interval_and_no_promotion():
    nothing = bootstrap_interval(np.zeros(0), np.zeros(0), 100, 0.95, 1)
    assert not nothing.is_above_zero()


def test_an_interval_that_touches_zero_is_not_above_it():
    assert not Interval(0.1, 0.0, 0.2, 0.95).is_above_zero()
