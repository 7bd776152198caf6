"""Plans: statsmodels' numbers, and in simulation the power that was promised."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep
from tests.unit.experiments.statistics.groups import LEVEL, units, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import cuped_mean_arms, ratio_arms
from sparkperso.experiments.statistics.comparison import means, proportions, ratios
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.power import (
    Design,
    Expectation,
    detectable_effect,
    expected_duration,
    plan,
    required_units,
)
from sparkperso.experiments.statistics.sequential import sequential_means
from sparkperso.testing.moments import simulated_moments

MEAN = Expectation(10.0, 25.0)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_means_need_what_statsmodels_says(ratio, power):
    size = required_units(MEAN, Design(power=power, ratio=ratio), mde=0.05)
    expected = NormalIndPower().solve_power(
        0.5 / 5, alpha=0.05, power=power, ratio=1 / ratio, alternative="two-sided"
    )
    assert size.treated == np.ceil(expected)
    assert size.baseline == np.ceil(expected / ratio)
    assert size.effect == 0.5


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("mde", [0.2, -0.2])
def test_proportions_have_the_power_by_statsmodels_with_so_many_units_and_not_with_fewer(
    ratio, mde
):
    size = required_units(Expectation.of_proportion(0.1), Design(ratio=ratio), mde=mde)
    found = [
        power_proportions_2indep(mde * 0.1, 0.1, n, ratio=1 / ratio, return_results=False)
        for n in (size.treated, size.treated - 2)
    ]
    assert found[1] < 0.8 <= found[0] + 1e-6


def share_found(method, treated, baseline):
    pairs = zip(treated, baseline, strict=True)
    return np.mean([method(*pair, significance_level=LEVEL).p_value < LEVEL for pair in pairs])


def test_the_power_is_what_was_promised():
    rng, n = np.random.default_rng(1), 2000
    size = required_units(Expectation.of_proportion(0.2), Design(), mde=0.3)
    groups = [
        [Moments.from_counts(int(k), count) for k in rng.binomial(count, share, n)]
        for count, share in ((size.treated, 0.26), (size.baseline, 0.2))
    ]
    assert within(share_found(proportions, *groups), 0.8, n, errors=4)
    size = required_units(MEAN, Design(ratio=0.5), mde=0.2)
    groups = [
        simulated_moments(rng.normal(mean, 5, (n, count)))
        for count, mean in ((size.treated, 12), (size.baseline, 10))
    ]
    assert within(share_found(means, *groups), 0.8, n, errors=4)


def test_ratios_are_planned_with_the_delta_methods_variance():
    rng, n = np.random.default_rng(2), 1000
    expected = Expectation.from_moments(
        Moments.from_rows(**units("ratios", 200_000, rng)), ratio_arms
    )
    size = required_units(expected, Design(), mde=0.08)
    groups = [
        simulated_moments(**units("ratios", (n, count), rng, lift))
        for count, lift in ((size.treated, 0.08), (size.baseline, 0.0))
    ]
    # Clicks vary a little more where their rate is higher.
    assert 0.74 < share_found(ratios, *groups) < 0.84


def test_a_sequential_plan_needs_more_and_has_its_power():
    rng, n = np.random.default_rng(3), 1000
    fixed = required_units(MEAN, Design(), mde=0.1)
    size = required_units(MEAN, Design(is_sequential=True), mde=0.1)
    assert 1.5 < size.treated / fixed.treated < 3.5
    groups = [
        simulated_moments(rng.normal(mean, 5, (n, count)))
        for count, mean in ((size.treated, 11), (size.baseline, 10))
    ]
    assert within(share_found(sequential_means, *groups), 0.8, n, errors=4)
    assert detectable_effect(MEAN, Design(is_sequential=True), size.baseline) == pytest.approx(
        1.0, rel=1e-3
    )


def test_cuped_needs_less_by_what_the_past_explains():
    past = Moments.from_rows(**units("cuped_means", 5000, np.random.default_rng(4)))
    plain, adjusted = (
        Expectation.from_moments(past),
        Expectation.from_moments(past, cuped_mean_arms),
    )
    squared = past.covariance("y", "x") ** 2 / past.variance("y") / past.variance("x")
    assert adjusted.value == plain.value
    assert adjusted.variance == pytest.approx(plain.variance * (1 - squared), rel=1e-3)


@pytest.mark.parametrize("design", [Design(), Design(ratio=2.0), Design(0.01, 0.9, 3)])
@pytest.mark.parametrize("expected", [MEAN, Expectation.of_proportion(0.3)])
def test_what_so_many_units_find_is_what_needs_so_many(design, expected):
    size = required_units(expected, design, mde=0.04)
    found = detectable_effect(expected, design, size.baseline)
    assert found == pytest.approx(0.04 * expected.value, rel=2e-3)


def test_more_comparisons_share_the_level():
    one, six = (required_units(MEAN, Design(n_comparisons=n), mde=0.1).treated for n in (1, 6))
    lower = required_units(MEAN, Design(significance_level=0.05 / 6), mde=0.1).treated
    assert one < six == lower


def test_a_plan_gives_every_variant_its_weight_and_the_least_enough():
    found = plan(MEAN, {"a": 0.5, "b": 0.3, "c": 0.2}, "a", mde=0.1, n_goals=2)
    need = required_units(MEAN, Design(n_comparisons=4, ratio=0.4), mde=0.1)
    assert found.units["c"] >= need.treated
    assert found.units["a"] >= need.baseline
    assert found.total == sum(found.units.values())
    shares = {name: n / found.total for name, n in found.units.items()}
    assert shares == pytest.approx({"a": 0.5, "b": 0.3, "c": 0.2}, abs=1e-3)


def test_what_cannot_be_planned_has_a_status():
    assert required_units(Expectation(0.0, 1.0), Design(), mde=0.1).status == "zero_baseline"
    assert required_units(Expectation(5.0, 0.0), Design(), mde=0.1).status == "no_variance"
    assert required_units(MEAN, Design(), mde=1e-9).status == "effect_too_small"
    sequential = Design(is_sequential=True)
    assert required_units(MEAN, sequential, mde=1e-9).status == "effect_too_small"
    absolute = required_units(Expectation(0.0, 1.0), Design(), mde=0.1, is_relative=False)
    assert absolute.status == "ok"
    found = plan(Expectation(0.0, 1.0), {"a": 1, "b": 1}, "a", mde=0.1)
    assert (found.units, found.total, found.status) == (None, None, "zero_baseline")
    assert detectable_effect(MEAN, Design(), 1) is None
    assert detectable_effect(Expectation.of_proportion(0.9), Design(), 5) is None
    assert Expectation.from_moments(Moments.empty()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: required_units(MEAN, Design(), mde=0.0),
        lambda: required_units(Expectation.of_proportion(0.9), Design(), mde=0.5),
        lambda: Expectation.of_proportion(1.5),
        lambda: Design(power=1.0),
        lambda: Design(significance_level=0.0),
        lambda: plan(MEAN, {"a": 1.0}, "a", mde=0.1),
        lambda: plan(MEAN, {"a": 0.0, "b": 1.0}, "a", mde=0.1),
    ],
)
def test_designs_that_are_none_are_refused(wrong):
    with pytest.raises(UsageError):
        wrong()


def test_days_are_counted_and_go_on_at_the_pace_of_the_last_week():
    seen = [100, 190, 270, 340, 400, 450, 490, 520, 550, 580]
    assert vars(expected_duration(300, seen)) == {
        "days": 4,
        "is_extrapolated": False,
        "status": "ok",
    }
    assert expected_duration(270, seen).days == 3
    # Half of them are in it, so that 400 take 800; 34 a day were new in the last seven.
    found = expected_duration(400, seen, coverage=0.5)
    assert (found.days, found.is_extrapolated) == (10 + int(np.ceil(220 / ((580 - 270) / 7))), True)
    assert expected_duration(250, [100]).days == 3


@pytest.mark.parametrize(
    ("seen", "coverage"), [([], 1.0), ([5, 5, 5, 5, 5, 5, 5, 5], 1.0), ([9], 0.0)]
)
def test_units_that_never_come_have_a_status(seen, coverage):
    assert expected_duration(100, seen, coverage=coverage).status == "no_new_units"
    assert expected_duration(100, seen, coverage=coverage).days is None


def test_a_published_sample_size():
    """R's help page of power.prop.test: 50 % against 75 %, power 90 %: n = 76.7 per group."""
    expected, design = Expectation.of_proportion(0.5), Design(power=0.9)
    size = required_units(expected, design, mde=0.25, is_relative=False)
    assert (size.treated, size.baseline) == (77, 77)
