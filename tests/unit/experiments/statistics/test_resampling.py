"""The bootstrap from sums per bucket: level, coverage, and what cannot be resampled."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.experiments.statistics.groups import LEVEL, truth, units, within

from sparkperso.experiments.statistics.comparison import ratios
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.resampling import BucketSums, bootstrap

BUCKETS = 100


def bucketed(rows, n_buckets=BUCKETS):
    """Units in order of a hash, so as they come."""
    n = len(rows["y"])
    of = np.arange(n) % n_buckets
    d = rows.get("d", np.ones(n))
    sums = [np.bincount(of, values, minlength=n_buckets) for values in (d, rows["y"])]
    return BucketSums(n, *sums)


@pytest.mark.parametrize("kind", ["means", "ratios"])
def test_false_alarms_and_coverage(kind):
    n, lift, covered, alarms = 2000, 0.1, 0, 0
    rng = np.random.default_rng(1)
    for _ in range(n):
        one, other, again = (units(kind, 500, rng, up) for up in (lift, 0.0, 0.0))
        groups = [bucketed(rows) for rows in (one, other, again)]
        options = {"significance_level": LEVEL, "n_resamples": 400}
        found = bootstrap(*groups[:2], **options)
        covered += found.effect_low <= lift * truth(kind) <= found.effect_high
        alarms += bootstrap(*groups[1:], **options).p_value < LEVEL
    assert within(covered / n, 0.95, n, errors=4)
    assert within(alarms / n, LEVEL, n, errors=4)


def test_it_is_near_the_delta_method_and_the_same_for_the_same_seed():
    rng = np.random.default_rng(2)
    rows = [units("ratios", 5000, rng, lift) for lift in (0.05, 0.0)]
    groups = [bucketed(one, 1000) for one in rows]
    found = bootstrap(*groups, significance_level=LEVEL, seed=3)
    expected = ratios(*(Moments.from_rows(**one) for one in rows), significance_level=LEVEL)
    for name in ("value", "value_baseline", "effect", "lift"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    half = expected.effect_high - expected.effect
    for name in ("effect_low", "effect_high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=0.15 * half)
    assert bootstrap(*groups, significance_level=LEVEL, seed=3) == found
    assert bootstrap(*groups, significance_level=LEVEL, seed=4) != found


def test_small_denominators_are_not_rounded_up():
    rows = units("ratios", 1000, np.random.default_rng(3))
    group, small = (bucketed({**rows, "d": rows["d"] * scale}) for scale in (1.0, 1e-6))
    plain, scaled = (bootstrap(one, one, significance_level=LEVEL) for one in (group, small))
    assert scaled.value == pytest.approx(1e6 * plain.value)
    assert scaled.effect_high == pytest.approx(1e6 * plain.effect_high)


ONES = np.ones(BUCKETS)
GOOD = bucketed(units("means", 500, np.random.default_rng(4)))


@pytest.mark.parametrize(
    ("treated", "status"),
    [
        (BucketSums(0, np.zeros(0), np.zeros(0)), "too_few_units"),
        (BucketSums(19, np.ones(19), np.arange(19.0)), "too_few_units"),
        (BucketSums(100, np.zeros(BUCKETS), ONES), "no_denominator"),
        (BucketSums(100, ONES, np.full(BUCKETS, np.nan)), "not_finite"),
        (BucketSums(100, ONES, np.full(BUCKETS, np.inf)), "not_finite"),
    ],
)
def test_what_cannot_be_resampled_has_a_status(treated, status):
    for pair in [(treated, GOOD), (GOOD, treated)]:
        found = bootstrap(*pair, significance_level=LEVEL)
        assert found.status == status
        assert not found.is_usable


def test_all_the_same_has_no_variance_and_a_baseline_of_zero_no_lift():
    same, zero = BucketSums(100, ONES, 0.1 * ONES), BucketSums(100, ONES, 0 * ONES)
    for pair in [(same, same), (zero, zero), (same, zero)]:
        assert bootstrap(*pair, significance_level=LEVEL).status == "no_variance"
    found = bootstrap(GOOD, zero, significance_level=LEVEL)
    assert (found.status, found.lift) == ("zero_baseline", None)
    assert found.is_usable
    around = BucketSums(100, ONES, np.tile([1.0, -0.99], 50))
    found = bootstrap(GOOD, around, significance_level=LEVEL)
    assert (found.status, found.lift_low) == ("uncertain_baseline", None)
