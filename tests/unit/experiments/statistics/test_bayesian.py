"""The posterior: calibrated where the prior is true, close to the test where it is weak."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats
from tests.unit.experiments.statistics.groups import LEVEL, units, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import cuped_ratio_arms, ratio_arms
from sparkperso.experiments.statistics.bayesian import bayesian
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.testing.moments import simulated_moments


def pair(a=120, b=100, n=1000):
    return Moments.from_counts(a, n), Moments.from_counts(b, n)


def test_where_effects_are_drawn_from_the_prior_the_figures_are_true():
    """Of all experiments with a probability of about 80 %, 80 % are better."""
    rng, n = np.random.default_rng(1), 2000
    lifts = rng.normal(0, 0.3, n)
    treated = simulated_moments(rng.normal(10 * (1 + lifts)[:, None], 30, (n, 200)))
    baseline = simulated_moments(rng.normal(10, 30, (n, 200)))
    found = [
        bayesian(*groups, significance_level=0.2) for groups in zip(treated, baseline, strict=True)
    ]
    effects = 10 * lifts
    inside = [
        one.estimate.effect_low <= effect <= one.estimate.effect_high
        for one, effect in zip(found, effects, strict=True)
    ]
    # The prior's width is a share of a value that is itself measured.
    assert within(np.mean(inside), 0.8, n, errors=4)
    better = np.array([one.probability_better for one in found])
    for low, high in [(0.1, 0.3), (0.4, 0.6), (0.7, 0.9)]:
        held = (better > low) & (better < high)
        assert (effects[held] > 0).mean() == pytest.approx(better[held].mean(), abs=0.09)
    loss = np.mean(np.maximum(-effects, 0))
    assert np.mean([one.expected_loss for one in found]) == pytest.approx(loss, rel=0.1)


def test_without_a_prior_it_is_the_normal_interval_and_the_one_sided_p():
    found = bayesian(*pair(), significance_level=LEVEL, prior_lift=math.inf)
    one, other = pair()
    error = math.sqrt(one.variance("y") / one.n + other.variance("y") / other.n)
    expected = stats.norm(0.02, error)
    assert found.estimate.effect == pytest.approx(0.02)
    assert found.estimate.effect_low == pytest.approx(expected.ppf(0.025))
    assert found.probability_better == pytest.approx(expected.sf(0))
    loss = integrate.quad(lambda x: -x * expected.pdf(x), -1, 0)[0]
    assert found.expected_loss == pytest.approx(loss, rel=1e-6)
    # The difference of both losses is the effect.
    assert found.expected_loss_baseline - found.expected_loss == pytest.approx(0.02)


def test_a_narrower_prior_pulls_to_zero_and_more_units_pull_back():
    wide, narrow = (
        bayesian(*pair(), significance_level=LEVEL, prior_lift=width) for width in (0.3, 0.05)
    )
    assert 0 < narrow.estimate.effect < wide.estimate.effect < 0.02
    many = bayesian(*pair(120_000, 100_000, 1_000_000), significance_level=LEVEL)
    assert many.estimate.effect == pytest.approx(0.02, rel=1e-3)


def test_the_other_way_round_it_is_the_opposite():
    there, back = (bayesian(*groups, significance_level=LEVEL) for groups in (pair(), pair()[::-1]))
    assert there.probability_better == pytest.approx(1 - back.probability_better)
    assert there.expected_loss == pytest.approx(back.expected_loss_baseline)


def test_ratios_and_cuped_have_one_too():
    rng = np.random.default_rng(2)
    groups = [Moments.from_rows(**units("ratios", 2000, rng, lift)) for lift in (0.1, 0.0)]
    plain, adjusted = (
        bayesian(*groups, significance_level=LEVEL, arms=arms)
        for arms in (ratio_arms, cuped_ratio_arms)
    )
    assert plain.probability_better > 0.99
    widths = [one.estimate.effect_high - one.estimate.effect_low for one in (plain, adjusted)]
    assert widths[1] < widths[0]


def test_what_cannot_be_known_has_a_status():
    found = bayesian(Moments.empty(), pair()[0], significance_level=LEVEL)
    assert found.status == "too_few_units"
    assert found.probability_better is found.expected_loss is None
    zero = Moments.from_rows([0.0] * 9)
    assert bayesian(zero, zero, significance_level=LEVEL).status == "no_variance"
    around = Moments.from_rows([-1.0, 1.0])
    assert bayesian(around, around, significance_level=LEVEL).probability_better == 0.5
    with pytest.raises(UsageError):
        bayesian(*pair(), significance_level=LEVEL, prior_lift=0)
