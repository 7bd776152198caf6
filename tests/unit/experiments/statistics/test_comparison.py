"""Two groups: what scipy and statsmodels say, and what no data may bring about."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from tests.unit.experiments.statistics.groups import FIXED, LEVEL, SEQUENTIAL, units

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.comparison import (
    chi_square,
    cuped_means,
    cuped_ratios,
    means,
    proportions,
    ratios,
)
from sparkperso.experiments.statistics.estimate import STATUSES
from sparkperso.experiments.statistics.moments import Moments

ALL = {**FIXED, **{f"sequential_{name}": method for name, method in SEQUENTIAL.items()}}
EXACT = {"rel": 1e-9, "abs": 1e-12}


def exactly(value):
    return pytest.approx(value, **EXACT)


def arrays(kind, n, seed, lift=0.0):
    return units(kind, n, np.random.default_rng(seed), lift)


def test_proportions_are_statsmodels():
    counts, totals = np.array([130, 95]), np.array([1100, 900])
    found = proportions(
        *(Moments.from_counts(c, n) for c, n in zip(counts, totals, strict=True)),
        significance_level=0.1,
    )
    assert (found.statistic, found.p_value) == exactly(proportions_ztest(counts, totals))
    interval = confint_proportions_2indep(
        130, 1100, 95, 900, method="wald", compare="diff", alpha=0.1
    )
    assert (found.effect_low, found.effect_high) == exactly(interval)


def test_chi_square_is_scipys_and_of_two_groups_the_square_of_z():
    table = np.array([[130, 970], [95, 805], [88, 912]])
    expected = stats.chi2_contingency(table, correction=False)
    groups = [Moments.from_counts(int(a), int(a + b)) for a, b in table]
    found = chi_square(groups)
    assert (found.statistic, found.p_value, found.freedom) == exactly(
        (expected.statistic, expected.pvalue, expected.dof)
    )
    two = chi_square(groups[:2])
    z_test = proportions(*groups[:2], significance_level=LEVEL)
    assert (two.statistic, two.p_value) == exactly((z_test.statistic**2, z_test.p_value))


@pytest.mark.parametrize(("n", "n_baseline"), [(40, 90), (2, 3), (5000, 700)])
def test_means_are_scipys_and_statsmodels(n, n_baseline):
    one, other = arrays("means", n, 1, 0.2)["y"], arrays("means", n_baseline, 2)["y"]
    found = means(Moments.from_rows(one), Moments.from_rows(other), significance_level=LEVEL)
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert (found.statistic, found.p_value) == exactly((expected.statistic, expected.pvalue))
    assert (found.effect_low, found.effect_high) == exactly(tuple(expected.confidence_interval()))
    compared = CompareMeans(DescrStatsW(one), DescrStatsW(other))
    interval = compared.tconfint_diff(usevar="unequal")
    assert (found.effect_low, found.effect_high) == exactly(interval)


def test_cuped_with_one_coefficient_is_the_difference_of_adjusted_values():
    one, other = arrays("cuped_means", 300, 3, 0.2), arrays("cuped_means", 200, 4)
    y, x = (np.concatenate([one[name], other[name]]) for name in "yx")
    slope = sm.OLS(y, sm.add_constant(x)).fit().params[1]
    adjusted = [rows["y"] - slope * (rows["x"] - x.mean()) for rows in (one, other)]
    expected = stats.ttest_ind(*adjusted, equal_var=False)
    found = cuped_means(
        *(Moments.from_rows(**rows) for rows in (one, other)), significance_level=LEVEL
    )
    assert (found.statistic, found.p_value) == exactly((expected.statistic, expected.pvalue))
    assert (found.value, found.value_baseline) == exactly((adjusted[0].mean(), adjusted[1].mean()))


def linearised(rows, top, bottom):
    """Values whose mean's variance is the delta method's of Σ top ÷ Σ bottom."""
    ratio = rows[top].mean() / rows[bottom].mean()
    return ratio + (rows[top] - ratio * rows[bottom]) / rows[bottom].mean()


def test_ratios_are_the_test_of_linearised_values():
    one, other = arrays("ratios", 300, 5, 0.2), arrays("ratios", 200, 6)
    expected = stats.ttest_ind(
        linearised(one, "y", "d"), linearised(other, "y", "d"), equal_var=False
    )
    found = ratios(*(Moments.from_rows(**rows) for rows in (one, other)), significance_level=LEVEL)
    assert (found.statistic, found.p_value) == exactly((expected.statistic, expected.pvalue))
    assert found.value == exactly(one["y"].sum() / one["d"].sum())


def test_cuped_ratios_are_the_test_of_linearised_values_less_what_the_past_explains():
    one, other = arrays("cuped_ratios", 300, 7, 0.2), arrays("cuped_ratios", 200, 8)
    both = {name: np.concatenate([one[name], other[name]]) for name in "ydxw"}
    after, before = linearised(both, "y", "d"), linearised(both, "x", "w")
    slope = np.cov(after, before)[0, 1] / before.var(ddof=1)
    adjusted = [
        linearised(rows, "y", "d") - slope * linearised(rows, "x", "w") for rows in (one, other)
    ]
    expected = stats.ttest_ind(*adjusted, equal_var=False)
    found = cuped_ratios(
        *(Moments.from_rows(**rows) for rows in (one, other)), significance_level=LEVEL
    )
    assert (found.statistic, found.p_value) == exactly((expected.statistic, expected.pvalue))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("lift", [-0.3, 0.0, 0.05, 0.3])
def test_interval_p_value_and_lift_say_the_same(name, lift):
    """p below the level ⇔ the effect's interval leaves 0 out ⇔ the lift's does."""
    kind = name.removeprefix("sequential_")
    for seed in range(20):
        groups = [arrays(kind, 200, (seed, 1), lift), arrays(kind, 220, (seed, 2))]
        found = ALL[name](*(Moments.from_rows(**rows) for rows in groups), significance_level=LEVEL)
        is_outside = found.effect_low > 0 or found.effect_high < 0
        if name != "proportions":  # Its test pools, its interval does not.
            assert is_outside == (found.p_value < LEVEL)
        if found.lift_low is not None:
            assert is_outside == (found.lift_low > 0 or found.lift_high < 0)
            assert found.lift_low < found.lift < found.lift_high
        assert found.effect_low < found.effect < found.effect_high


@pytest.mark.parametrize("name", ALL)
def test_the_other_way_round_the_effect_has_the_other_sign(name):
    kind = name.removeprefix("sequential_")
    one, other = (Moments.from_rows(**arrays(kind, 150, seed)) for seed in (1, 2))
    there, back = (
        ALL[name](*pair, significance_level=LEVEL) for pair in [(one, other), (other, one)]
    )
    assert (there.effect, there.effect_low) == exactly((-back.effect, -back.effect_high))
    assert there.p_value == exactly(back.p_value)


@pytest.mark.parametrize("name", [name for name in ALL if name != "proportions"])
@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1e6, 1e120])
def test_the_unit_of_the_metric_changes_neither_p_nor_lift(name, scale):
    """Values in cents or in euros; also at sizes whose squares hardly fit a double."""
    kind = name.removeprefix("sequential_")
    groups = [arrays(kind, 150, 1, 0.2), arrays(kind, 140, 2)]
    plain, scaled = (
        ALL[name](
            *(Moments.from_rows(**{**rows, "y": rows["y"] * factor}) for rows in groups),
            significance_level=LEVEL,
        )
        for factor in (1.0, scale)
    )
    assert (scaled.p_value, scaled.lift, scaled.lift_low) == pytest.approx(
        (plain.p_value, plain.lift, plain.lift_low), rel=1e-7
    )
    assert scaled.effect_high == pytest.approx(plain.effect_high * scale, rel=1e-7)


def test_a_negative_baseline_has_a_lift_of_the_effects_sign():
    rng = np.random.default_rng(1)
    worse, better = (Moments.from_rows(rng.normal(mean, 1, 500)) for mean in (-10, -5))
    found = means(better, worse, significance_level=LEVEL)
    assert found.effect > 0
    assert found.lift == exactly(found.effect / abs(found.value_baseline))
    assert 0 < found.lift_low < 0.5 < found.lift_high


ZERO, ONES = Moments.from_rows([0.0] * 50), Moments.from_rows([1.0] * 50)
SPREAD = Moments.from_rows(np.arange(50.0) - 24.5)
NONE, SINGLE = Moments.empty(), Moments.from_rows([1.0])
HUGE = Moments.from_rows([1e200] + [1.0] * 49)
CASES = {
    "nobody in either": (NONE, NONE, "too_few_units"),
    "nobody treated": (NONE, ONES, "too_few_units"),
    "no baseline": (SPREAD, NONE, "too_few_units"),
    "one unit": (SINGLE, SPREAD, "too_few_units"),
    "all zero": (ZERO, ZERO, "no_variance"),
    "all the same": (ONES, ZERO, "no_variance"),
    "a value too large to square": (HUGE, SPREAD, "not_finite"),
    "infinite": (Moments.from_rows([math.inf, 1.0, 2.0]), SPREAD, "not_finite"),
    "not a number": (Moments.from_rows([math.nan, 1.0, 2.0]), SPREAD, "not_finite"),
}


def no_nan(estimate):
    numbers = [value for value in asdict(estimate).values() if isinstance(value, float)]
    return all(map(math.isfinite, numbers))


@pytest.mark.parametrize("name", [name for name in ALL if name != "proportions"])
@pytest.mark.parametrize("case", CASES)
def test_bad_data_have_a_status_and_never_a_nan(name, case):
    *groups, status = CASES[case]
    found = ALL[name](*groups, significance_level=LEVEL)
    assert found.status == status
    assert status in STATUSES
    assert not found.is_usable
    assert found.p_value is None
    assert found.effect_low is None
    assert no_nan(found)
    assert (found.n, found.n_baseline) == tuple(group.n for group in groups)


@pytest.mark.parametrize(
    ("successes", "status", "is_usable"),
    [
        ((0, 100, 0, 100), "no_variance", False),
        ((100, 100, 100, 100), "no_variance", False),
        ((0, 0, 10, 100), "too_few_units", False),
        ((1, 1, 10, 100), "too_few_units", False),
        ((2, 100, 1, 100), "few_events", True),
        ((0, 1000, 20, 1000), "ok", True),
        ((20, 1000, 0, 1000), "zero_baseline", True),
        ((100, 100, 0, 100), "zero_baseline", True),
        ((40, 100, 30, 100), "ok", True),
    ],
)
def test_extreme_proportions(successes, status, is_usable):
    a, n, b, m = successes
    found = proportions(
        Moments.from_counts(a, n), Moments.from_counts(b, m), significance_level=LEVEL
    )
    assert (found.status, found.is_usable) == (status, is_usable)
    assert no_nan(found)


def test_all_of_one_group_and_none_of_the_other_have_an_interval_with_a_width():
    found = proportions(ONES, ZERO, significance_level=LEVEL)
    assert found.effect_low < found.effect == 1 < found.effect_high


def test_a_baseline_of_zero_has_an_effect_but_no_lift():
    found = means(SPREAD.merge(ONES), SPREAD, significance_level=LEVEL)
    assert found.status == "zero_baseline"
    assert found.is_usable
    assert found.lift is found.lift_low is None


def test_a_baseline_that_may_be_zero_has_a_lift_without_an_interval():
    noisy = Moments.from_rows(np.arange(50.0) - 24)
    found = means(ONES, noisy, significance_level=LEVEL)
    assert (found.status, found.lift) == ("uncertain_baseline", exactly(1.0))
    assert found.lift_low is found.lift_high is None
    assert found.is_usable


def test_a_ratio_without_a_denominator_says_so():
    one = Moments.from_rows([0.0] * 5, d=[0.0] * 5)
    other = Moments.from_rows(**arrays("ratios", 50, 1))
    for method in (ratios, cuped_ratios):
        for groups in [(one, other), (other, one), (one, one)]:
            found = method(*groups, significance_level=LEVEL)
            assert found.status == "no_denominator"
            assert not found.is_usable


def test_a_ratio_that_is_the_same_for_every_unit_does_not_vary():
    d = np.random.default_rng(1).random(100) * 1e6
    same = Moments.from_rows(0.1 * d, d=d)
    assert ratios(same, same, significance_level=LEVEL).status == "no_variance"


def test_rounding_is_no_variance():
    constant = Moments.merged(Moments.from_rows([0.1] * n) for n in (3, 50, 7, 1, 900))
    assert means(constant, constant, significance_level=LEVEL).status == "no_variance"


@pytest.mark.parametrize(("plain", "adjusted"), [(means, cuped_means), (ratios, cuped_ratios)])
def test_without_a_past_cuped_is_the_plain_test_and_says_so(plain, adjusted):
    groups = [arrays(plain.__name__, 60, seed) for seed in (1, 2)]
    bare = [Moments.from_rows(rows["y"], rows.get("d")) for rows in groups]
    found, expected = (method(*bare, significance_level=LEVEL) for method in (adjusted, plain))
    assert found.status == "no_covariate"
    assert {**asdict(found), "status": "ok"} == asdict(expected)


def test_wrong_levels_and_shares_are_refused():
    for level in (0, 1, -0.1, 5):
        for method in ALL.values():
            with pytest.raises(UsageError):
                method(SPREAD, SPREAD, significance_level=level)
    with pytest.raises(UsageError):
        proportions(Moments.from_rows([2.0, 3.0]), ONES, significance_level=LEVEL)
    with pytest.raises(UsageError):
        SEQUENTIAL["means"](ONES, SPREAD, significance_level=LEVEL, tuned_for=0)


def test_chi_square_of_nothing_has_a_status():
    assert chi_square([]).status == chi_square([NONE, ONES]).status == "too_few_units"
    assert chi_square([ONES, ONES]).status == "no_variance"
    assert (
        chi_square([Moments.from_counts(1, 20), Moments.from_counts(2, 20)]).status == "few_events"
    )
