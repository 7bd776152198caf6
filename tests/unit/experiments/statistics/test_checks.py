"""Checks of an experiment: alarms at their level, what they are to find, and what is too little."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from tests.unit.experiments.statistics.groups import LEVEL, units, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.arms import mean_arms
from sparkperso.experiments.statistics.checks.balance import carry_over, past, pre_period
from sparkperso.experiments.statistics.checks.heterogeneity import heterogeneity
from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio
from sparkperso.experiments.statistics.checks.trend import effect_trend
from sparkperso.experiments.statistics.comparison import effect_of, means
from sparkperso.experiments.statistics.moments import Moments

HALF = {"on": 0.5, "off": 0.5}


def test_the_sample_ratio_is_scipys_for_any_weights():
    weights = {"a": 2, "b": 1, "c": 1}
    found = sample_ratio({"c": 260, "a": 530, "b": 210}, weights)
    expected = stats.chisquare([530, 210, 260], [500, 250, 250])
    assert (found.statistic, found.p_value) == pytest.approx(tuple(expected), rel=1e-12)


def test_a_published_mismatch():
    """Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments, chapter 21."""
    found = sample_ratio({"treatment": 815_482, "control": 821_588}, {"treatment": 1, "control": 1})
    assert f"{found.p_value:.1e}" == "1.8e-06"
    assert found.is_mismatch
    # Looking every day has its price.
    assert f"{found.sequential_p_value:.1e}" == "1.5e-03"


def test_looking_every_day_only_the_sequential_check_keeps_its_level():
    rng, n, level = np.random.default_rng(1), 2000, 0.05
    days = rng.binomial(400, 0.5, (n, 10)).cumsum(axis=1)
    totals = 400 * np.arange(1, 11)
    least = np.ones((2, n))
    for day, total in enumerate(totals):
        # Many experiments have the same count, which is asked once.
        counts, of = np.unique(days[:, day], return_inverse=True)
        found = [sample_ratio({"on": int(on), "off": int(total - on)}, HALF) for on in counts]
        for place, name in enumerate(("sequential_p_value", "p_value")):
            values = np.array([getattr(one, name) for one in found])
            least[place] = np.minimum(least[place], values[of])
    sequential, once = (least < level).mean(axis=1)
    assert sequential <= level + 3.5 * np.sqrt(level * (1 - level) / n)
    assert once > 0.12


def test_one_variant_that_loses_units_is_found_by_both():
    found = sample_ratio({"on": 9_500, "off": 10_000}, HALF)
    assert found.is_mismatch
    assert sample_ratio({"on": 9_300, "off": 10_000}, HALF).is_sequential_mismatch
    assert not sample_ratio({"on": 9_990, "off": 10_000}, HALF).is_mismatch


@pytest.mark.parametrize(
    ("seen", "status", "is_mismatch"),
    [
        ({}, "too_few_units", False),
        ({"on": 0, "off": 0}, "too_few_units", False),
        ({"on": 3, "off": 4}, "too_few_units", False),
        ({"off": 1000}, "ok", True),
        ({"on": 500, "off": 500, "neither": 1}, "unknown_variant", True),
    ],
)
def test_missing_and_unknown_variants(seen, status, is_mismatch):
    found = sample_ratio(seen, HALF)
    assert (found.status, found.is_mismatch) == (status, is_mismatch)


@pytest.mark.parametrize(
    "weights", [{}, {"on": 1.0}, {"on": 1, "off": 0}, {"on": 2, "off": -1, "c": 1}]
)
def test_weights_that_share_nothing_out_are_refused(weights):
    with pytest.raises(UsageError):
        sample_ratio({"on": 5}, weights)


def test_the_past_is_the_same_moments_with_the_names_changed():
    rows = units("ratios", 50, np.random.default_rng(2))
    before = past(Moments.from_rows(**rows))
    swapped = Moments.from_rows(y=rows["x"], d=rows["w"], x=rows["y"], w=rows["d"])
    assert before.means == pytest.approx(swapped.means)
    assert before.comoments == pytest.approx(swapped.comoments)
    assert past(before).comoments == Moments.from_rows(**rows).comoments


def test_groups_that_differed_before_are_found():
    rng = np.random.default_rng(3)
    rows = [units("cuped_means", 500, rng) for _ in range(2)]
    same = pre_period(*(Moments.from_rows(**one) for one in rows), significance_level=LEVEL)
    assert same.p_value > 0.001
    plain = means(*(Moments.from_rows(one["x"]) for one in rows), significance_level=LEVEL)
    assert vars(same) == pytest.approx(vars(plain))
    rows[0]["x"] *= 1.3
    other = pre_period(*(Moments.from_rows(**one) for one in rows), significance_level=LEVEL)
    assert other.p_value < 0.001


def carried(rng, effect):
    """Units of an earlier experiment, of whose variant b more are now treated, by mistake."""
    table = {}
    for variant, level in (("a", 0.0), ("b", effect)):
        table[variant] = tuple(
            Moments.from_rows(np.zeros(n), x=rng.normal(10 + level, 2, n)) for n in (80, 120)
        )
    return table


def test_what_an_earlier_experiment_did_to_its_variants_is_no_carry_over_but_this_is():
    rng, n = np.random.default_rng(4), 2000
    alarms = [
        carry_over(carried(rng, 5.0), significance_level=LEVEL).p_value < LEVEL for _ in range(n)
    ]
    assert within(np.mean(alarms), LEVEL, n)
    table = carried(rng, 0.0)
    table["b"] = (Moments.from_rows(np.zeros(80), x=rng.normal(13, 2, 80)), table["b"][1])
    assert carry_over(table, significance_level=LEVEL).p_value < 0.001
    assert carry_over({}, significance_level=LEVEL).status == "too_few_units"


def days(rng, effects, n=200):
    return {
        day: (Moments.from_rows(rng.normal(effect, 1, n)), Moments.from_rows(rng.normal(0, 1, n)))
        for day, effect in enumerate(effects)
    }


def test_the_trend_is_statsmodels_weighted_regression():
    table = days(np.random.default_rng(5), np.linspace(1, 0, 8))
    found = effect_trend(table, significance_level=LEVEL)
    points = [effect_of(mean_arms(*groups)) for groups in table.values()]
    effects, variances = map(np.array, zip(*points, strict=True))
    design = sm.add_constant(np.arange(8.0))
    fit = sm.WLS(effects, design, weights=1 / variances).fit(cov_type="fixed scale")
    assert found.slope == pytest.approx(fit.params[1], rel=1e-9)
    assert found.p_value == pytest.approx(fit.pvalues[1], rel=1e-6)
    assert (found.first, found.last) == pytest.approx(tuple(fit.fittedvalues[[0, -1]]))


def test_a_steady_effect_has_no_trend_and_one_that_wears_off_has():
    rng, n = np.random.default_rng(6), 2000
    found = [effect_trend(days(rng, [0.5] * 6, 40), significance_level=LEVEL) for _ in range(n)]
    assert within(np.mean([one.p_value < LEVEL for one in found]), LEVEL, n, errors=4)
    worn = effect_trend(days(rng, [1, 0.8, 0.6, 0.4, 0.2, 0.0]), significance_level=LEVEL)
    assert worn.slope_high < 0
    assert worn.first > worn.last


def test_days_without_units_are_left_out_and_three_must_remain():
    table = days(np.random.default_rng(7), [0.5] * 4)
    table[2] = (Moments.empty(), Moments.empty())
    assert effect_trend(table, significance_level=LEVEL).n_days == 3
    table[1] = (Moments.from_rows([0.0] * 5), Moments.from_rows([0.0] * 5))
    found = effect_trend(table, significance_level=LEVEL)
    assert (found.status, found.slope, found.p_value) == ("too_few_units", None, None)
    assert effect_trend({}, significance_level=LEVEL).status == "too_few_units"


def segments(rng, effects, n=100):
    return {f"s{day}": groups for day, groups in days(rng, effects, n).items()}


def test_heterogeneity_is_statsmodels_meta_analysis():
    table = segments(np.random.default_rng(8), [0.0, 0.2, 0.6])
    found = heterogeneity(table, significance_level=LEVEL)
    points = [effect_of(mean_arms(*groups)) for groups in table.values()]
    effects, variances = map(np.array, zip(*points, strict=True))
    expected = combine_effects(effects, variances)
    assert found.statistic == pytest.approx(expected.q, rel=1e-9)
    assert found.p_value == pytest.approx(expected.test_homogeneity().pvalue, rel=1e-9)
    assert found.inconsistency == pytest.approx(max(expected.i2, 0), rel=1e-9)


def test_segments_that_are_alike_alarm_at_the_level_and_others_always():
    rng, n = np.random.default_rng(9), 1000
    found = [heterogeneity(segments(rng, [0.3] * 5), significance_level=LEVEL) for _ in range(n)]
    assert within(np.mean([one.p_value < LEVEL for one in found]), LEVEL, n, errors=4)
    apart = heterogeneity(segments(rng, [0, 0, 2]), significance_level=LEVEL)
    assert apart.p_value < 1e-6
    assert apart.p_adjusted["s2"] < 1e-6
    assert apart.inconsistency > 0.8


def test_empty_segments_are_estimates_with_a_status():
    table = segments(np.random.default_rng(10), [0.1])
    table["none"] = (Moments.empty(), Moments.empty())
    found = heterogeneity(table, significance_level=LEVEL)
    assert (found.status, found.p_value, found.freedom) == ("too_few_units", None, 0)
    assert found.segments["none"].status == "too_few_units"
    assert found.p_adjusted["none"] is None
    assert found.p_adjusted["s0"] == found.segments["s0"].p_value
    assert heterogeneity({}, significance_level=LEVEL).status == "too_few_units"
