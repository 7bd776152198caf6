"""Post-stratification: less variance, no unit lost, no NaN for what is empty."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from tests.unit.experiments.statistics.groups import LEVEL, within

from sparkperso.experiments.statistics.comparison import means
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.stratified import complete_strata, stratified

LEVELS = np.array([1.0, 4.0, 10.0])
SHARES = np.array([0.5, 0.3, 0.2])


def sample(rng, n, effect=0.0):
    """Two groups as arrays of (stratum, value)."""
    groups = []
    for shift in (effect, 0.0):
        stratum = rng.choice(3, n, p=SHARES)
        groups.append((stratum, rng.normal(LEVELS[stratum], 1.0) + shift))
    return groups


def by_stratum(groups):
    return {
        f"s{s}": tuple(Moments.from_rows(y[of == s]) for of, y in groups)
        for s in range(len(LEVELS))
    }


def test_the_effect_is_that_of_a_saturated_regression():
    """Lin's (2013) regression with centred strata and interactions, and HC2 errors."""
    groups = sample(np.random.default_rng(1), 200, 0.3)
    found = stratified(by_stratum(groups), significance_level=LEVEL)
    stratum, y = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    treated = np.repeat([1.0, 0.0], 200)
    dummies = np.stack([stratum == s for s in (1, 2)], axis=1).astype(float)
    centred = dummies - dummies.mean(axis=0)
    design = np.column_stack([np.ones(400), treated, centred, centred * treated[:, None]])
    fit = sm.OLS(y, design).fit(cov_type="HC2")
    assert found.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert found.statistic == pytest.approx(fit.tvalues[1], rel=1e-9)


def test_it_keeps_its_level_covers_and_narrows():
    rng, n = np.random.default_rng(2), 2000
    found, plain = [], []
    for _ in range(n):
        groups = sample(rng, 60, 0.2)
        found.append(stratified(by_stratum(groups), significance_level=LEVEL))
        plain.append(means(*(Moments.from_rows(y) for _, y in groups), significance_level=LEVEL))
    assert within(np.mean([one.effect_low <= 0.2 <= one.effect_high for one in found]), 0.95, n)
    assert abs(np.mean([one.effect for one in found]) - 0.2) < 0.02
    scatter = [np.std([one.effect for one in of]) for of in (found, plain)]
    assert scatter[0] < 0.5 * scatter[1]


def test_one_stratum_is_welch():
    one, other = (Moments.from_rows(y) for _, y in sample(np.random.default_rng(3), 30))
    assert stratified({"all": (one, other)}, significance_level=LEVEL) == pytest.approx(
        means(one, other, significance_level=LEVEL)
    ) or vars(stratified({"all": (one, other)}, significance_level=LEVEL)) == pytest.approx(
        vars(means(one, other, significance_level=LEVEL))
    )


NONE = Moments.empty()
FULL = Moments.from_rows([1.0, 2.0, 4.0, 5.0])


def test_sparse_strata_are_joined_and_no_unit_is_lost():
    one = Moments.from_rows([3.0])
    strata = {"a": (FULL, FULL), "b": (one, NONE), "c": (NONE, one), "d": (FULL, one)}
    cells = complete_strata(strata)
    assert all(min(group.n for group in groups) >= 2 for groups in cells)
    assert sum(a.n + b.n for a, b in cells) == sum(a.n + b.n for a, b in strata.values())
    found = stratified(strata, significance_level=LEVEL)
    assert found.is_usable
    assert (found.n, found.n_baseline) == (9, 6)
    # Alone they are not enough, so the complete one takes them in.
    assert len(complete_strata({"a": (FULL, FULL), "b": (one, NONE)})) == 1


@pytest.mark.parametrize(
    ("strata", "status"),
    [
        ({}, "too_few_units"),
        ({"a": (NONE, NONE)}, "too_few_units"),
        ({"a": (FULL, NONE), "b": (FULL, NONE)}, "too_few_units"),
        ({"a": (Moments.from_rows([1.0] * 3),) * 2}, "no_variance"),
        ({"a": (Moments.from_rows([np.inf, 1.0]), FULL)}, "not_finite"),
    ],
)
def test_what_cannot_be_compared_has_a_status(strata, status):
    found = stratified(strata, significance_level=LEVEL)
    assert found.status == status
    assert not found.is_usable
