"""The confidence sequence: narrowest where it was tuned for, and consistent with its p value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import lambertw

from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.sequential import (
    mixture_spread,
    sequential_means,
    sequential_quantile,
)


@pytest.mark.parametrize("level", [0.2, 0.05, 0.001])
def test_it_is_narrowest_at_the_units_that_it_is_tuned_for(level):
    at_5000 = {n: sequential_quantile(5000, level, n) for n in (500, 2500, 5000, 10_000, 50_000)}
    assert min(at_5000, key=at_5000.get) == 5000
    # The optimum, by Lambert's W, is nearly reached by the approximation.
    exact = np.sqrt((-lambertw(-(level**2) / np.e, -1).real - 1) / 5000)
    assert mixture_spread(level, 5000) == pytest.approx(exact, rel=0.05)
    v = 5000 * exact**2 + 1
    best = np.sqrt(2 * v / (v - 1) * np.log(np.sqrt(v) / level))
    assert at_5000[5000] == pytest.approx(best, rel=1e-3)


def test_p_is_the_level_at_which_the_interval_begins_to_leave_out_zero():
    one, other = Moments.from_counts(600, 5000), Moments.from_counts(480, 5000)
    found = sequential_means(one, other, significance_level=0.05)
    assert found.p_value < 0.05
    # At another level the mixture is another one, but not by much.
    assert sequential_means(one, other, significance_level=found.p_value / 3).effect_low < 0
    assert sequential_means(one, other, significance_level=found.p_value * 3).effect_low > 0


def test_more_units_narrow_it_and_it_is_wider_than_one_look():
    widths = []
    for n in (100, 1000, 10_000, 100_000):
        group = Moments.from_counts(n // 10, n)
        found = sequential_means(group, group, significance_level=0.05)
        widths.append(found.effect_high)
        assert found.p_value == 1.0
        assert found.effect_high > 1.96 * np.sqrt(2 * 0.09 / n)
    assert widths == sorted(widths, reverse=True)
