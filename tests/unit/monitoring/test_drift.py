"""PSI and Jensen–Shannon: as scipy has them, 0 for equal distributions, quiet under chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from sparkperso.config.monitoring.checks import DriftConfig, Limits
from sparkperso.monitoring.checks.drift import js_distance, judge_drift, psi, shares

CONFIG = DriftConfig()


def counts(seed, n_bins=10, most=5000):
    return np.random.default_rng(seed).integers(1, most, n_bins).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_both_are_scipys(seed):
    first, second = counts(seed), counts(seed + 100)
    p, q = shares(first), shares(second)
    assert psi(first, second) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-12)
    assert js_distance(first, second) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-12)


def test_empty_bins_have_a_finite_psi_and_scipys_distance():
    first, second = [0, 50, 50], [100, 0, 100]
    assert 0 < psi(first, second) < 20
    expected = jensenshannon(shares(first), shares(second), base=2)
    assert js_distance(first, second) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_equal_shares_do_not_drift_however_many_users_there_are(seed):
    first = counts(seed)
    assert psi(first, [7 * n for n in first]) == pytest.approx(0, abs=1e-12)
    assert js_distance(first, [7 * n for n in first]) == pytest.approx(0, abs=1e-7)
    assert psi(first, first) == js_distance(first, first) == 0


@pytest.mark.parametrize("seed", range(10))
def test_both_are_symmetric_and_the_distance_is_at_most_1(seed):
    first, second = counts(seed), counts(seed + 1)
    assert psi(first, second) == pytest.approx(psi(second, first))
    assert js_distance(first, second) == pytest.approx(js_distance(second, first))
    assert js_distance([5, 0], [0, 9]) == 1


def test_bins_of_both_are_the_same_number():
    with pytest.raises(ValueError, match="zip"):
        psi([1, 2], [1, 2, 3])


def test_chance_is_no_drift_even_of_few_users():
    """PSI of two samples of 300 exceeds 0.1 now and then; it is told in less than one of 100."""
    rng = np.random.default_rng(2)
    even = np.full(10, 0.1)
    found = [
        judge_drift("d", "s", rng.multinomial(300, even), rng.multinomial(300, even), CONFIG)
        for _ in range(1000)
    ]
    assert sum(one.status != "ok" for one in found) < 10
    above = sum((one.value or 0) > 0.1 for one in found)
    assert above > 20  # the usual limit alone would tell these


def test_a_planted_drift_is_found_by_its_size():
    even, tilted = [1000] * 10, [700] * 5 + [1300] * 5
    assert judge_drift("d", "s", even, even, CONFIG).status == "ok"
    small = judge_drift("d", "s", even, tilted, CONFIG.model_copy(update={"psi": Limits()}))
    assert small.status == "ok"
    assert judge_drift("d", "s", even, [300] * 5 + [1700] * 5, CONFIG).status == "critical"
    warned = judge_drift("d", "s", even, [650] * 5 + [1350] * 5, CONFIG)
    assert warned.status == "warning"
    assert warned.threshold == 0.1


def test_few_users_tell_nothing():
    found = judge_drift("d", "s", [10] * 10, [0] * 9 + [100], CONFIG)
    assert (found.status, found.value) == ("unknown", None)
