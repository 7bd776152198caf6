"""Corrected p values: the laws of both methods, and none where there was none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.multiplicity import benjamini_hochberg, holm


def test_benjamini_hochberg_is_scipys():
    p = np.random.default_rng(1).random(30) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p.tolist()), stats.false_discovery_control(p))


def test_holm_multiplies_the_least_by_their_number_and_never_falls():
    p = [0.04, 0.001, 0.5, 0.02]
    assert holm(p) == pytest.approx([0.08, 0.004, 0.5, 0.06])


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
def test_none_stays_none_and_counts_as_no_test(method):
    assert method([]) == []
    assert method([None, None]) == [None, None]
    with_none = method([0.01, None, 0.04])
    assert with_none[1] is None
    assert [with_none[0], with_none[2]] == method([0.01, 0.04])


def test_the_family_wise_error_is_held_and_without_correction_is_not(monkeypatch):
    # statsmodels collects garbage at each call, which takes a hundred times as long as the rest.
    monkeypatch.setattr("gc.collect", lambda: 0)
    rng, n, level = np.random.default_rng(2), 2000, 0.05
    p = rng.random((n, 10))
    alarms = [min(holm(row.tolist())) < level for row in p]
    assert np.mean(alarms) <= level + 3.5 * np.sqrt(level * (1 - level) / n)
    assert (p.min(axis=1) < level).mean() > 0.35


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(UsageError):
        holm([0.5, wrong])
