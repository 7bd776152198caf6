"""Factorial designs: the contrasts of a saturated regression, each at its level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from tests.unit.experiments.statistics.groups import LEVEL, within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.comparison import means
from sparkperso.experiments.statistics.factorial import factorial
from sparkperso.experiments.statistics.moments import Moments

TWO = {"title": ("old", "new"), "button": ("grey", "red")}
KEYS = [(t, b) for t in TWO["title"] for b in TWO["button"]]


def values(rng, n=50, title=0.0, button=0.0, both=0.0):
    return {
        (t, b): rng.normal(
            10 + title * (t == "new") + button * (b == "red") + both * (t == "new" and b == "red"),
            2,
            n + 10 * place,
        )
        for place, (t, b) in enumerate(KEYS)
    }


def cells(table):
    return {key: Moments.from_rows(y) for key, y in table.items()}


def test_contrasts_are_those_of_a_regression_with_robust_errors():
    """Effect coding and HC2, which for a saturated model is s² ÷ n in each cell."""
    table = values(np.random.default_rng(1), title=1.0, button=0.5, both=-0.7)
    found = factorial(TWO, cells(table), significance_level=LEVEL)
    frame = pd.DataFrame(
        [(y, t == "new", b == "red") for (t, b), ys in table.items() for y in ys],
        columns=["y", "title", "button"],
    )
    frame = frame.assign(title=frame.title - 0.5, button=frame.button - 0.5)
    fit = smf.ols("y ~ title * button", frame).fit(cov_type="HC2")
    for contrast, name in zip(found, ["title", "button", "title:button"], strict=True):
        assert contrast.estimate.effect == pytest.approx(fit.params[name], rel=1e-9)
        assert contrast.estimate.statistic == pytest.approx(fit.tvalues[name], rel=1e-9)
    assert [contrast.factors for contrast in found] == [
        ("title",),
        ("button",),
        ("title", "button"),
    ]


def test_what_is_not_there_is_found_at_the_level_and_what_is_is_unbiased():
    rng, n = np.random.default_rng(2), 2000
    alarms, effects, covered = np.zeros(3), np.zeros(3), np.zeros(3)
    true = np.array([1.0, 0.0, 0.0])
    for _ in range(n):
        found = factorial(TWO, cells(values(rng, 20, title=1.0)), significance_level=LEVEL)
        estimates = [contrast.estimate for contrast in found]
        alarms += [one.p_value < LEVEL for one in estimates]
        effects += [one.effect for one in estimates]
        covered += [
            one.effect_low <= t <= one.effect_high for one, t in zip(estimates, true, strict=True)
        ]
    np.testing.assert_allclose(effects / n, true, atol=0.06)
    assert all(within(share, 0.95, n) for share in covered / n)
    assert all(within(share, LEVEL, n) for share in alarms[1:] / n)


def test_weighted_by_units_it_is_near_the_plain_comparison():
    rng = np.random.default_rng(3)
    table = values(rng, 400, title=0.5)
    found = factorial(TWO, cells(table), significance_level=LEVEL, weighting="units")[0].estimate
    sides = [np.concatenate([table[level, b] for b in TWO["button"]]) for level in ("new", "old")]
    plain = means(*map(Moments.from_rows, sides), significance_level=LEVEL)
    assert found.effect == pytest.approx(plain.effect, abs=0.02)


def test_three_levels_and_three_factors_have_each_contrast_once():
    factors = {"a": ("0", "1", "2"), "b": ("0", "1"), "c": ("0", "1")}
    rng = np.random.default_rng(4)
    keys = [(a, b, c) for a in factors["a"] for b in factors["b"] for c in factors["c"]]
    table = {k: Moments.from_rows(rng.normal(3 * (k[0] == "2"), 1, 50)) for k in keys}
    found = {
        (one.factors, one.levels): one.estimate
        for one in factorial(factors, table, significance_level=LEVEL)
    }
    assert len(found) == 2 + 1 + 1 + 2 + 2 + 1
    assert found[("a",), ("2",)].effect == pytest.approx(3, abs=0.3)
    assert found[("a",), ("1",)].effect == pytest.approx(0, abs=0.3)
    assert found[("a", "b"), ("2", "1")].lift is None


def test_missing_cells_and_single_units_have_a_status():
    table = cells(values(np.random.default_rng(5)))
    lacking = {key: group for key, group in table.items() if key != ("new", "red")}
    for contrast in factorial(TWO, lacking, significance_level=LEVEL):
        assert contrast.estimate.status == "missing_cell"
        assert not contrast.estimate.is_usable
    single = {**table, ("new", "red"): Moments.from_rows([1.0])}
    assert factorial(TWO, single, significance_level=LEVEL)[0].estimate.status == "too_few_units"
    same = {key: Moments.from_rows([1.0] * 5) for key in KEYS}
    assert factorial(TWO, same, significance_level=LEVEL)[2].estimate.status == "no_variance"


def test_designs_that_are_none_are_refused():
    with pytest.raises(UsageError):
        factorial({"a": ("0",)}, {}, significance_level=LEVEL)
    with pytest.raises(UsageError):
        factorial(TWO, {("new", "blue"): Moments.empty()}, significance_level=LEVEL)
