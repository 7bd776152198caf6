"""A day against its weekdays: a planted drop is found, stationary noise says next to nothing."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from sparkperso.config.monitoring.checks import AnomalyConfig, KpiAnomalyConfig
from sparkperso.monitoring.checks.anomaly import NORMAL, baseline, judge_day

DAY = date(2026, 3, 30)
CONFIG = AnomalyConfig()


def series(values, day=DAY):
    """Returns a series whose last value is of `day`, one a week."""
    last = len(values) - 1
    return {day - timedelta(weeks=last - n): float(v) for n, v in enumerate(values)}


def judged(values, config=CONFIG):
    return judge_day("volume", "clicks", series(values), DAY, config)


@pytest.mark.parametrize(("mean", "spread"), [(20, 0), (200, 0), (1000, 0.1), (1000, 0.2)])
def test_stationary_noise_is_out_of_the_ordinary_in_at_most_one_of_a_hundred(mean, spread):
    """Poisson, and days that vary by up to a fifth beside it: the rate that the docs state."""
    rng = np.random.default_rng(4)
    means = mean * np.exp(rng.normal(0, spread, (4000, 9)))
    found = [judged(row).status for row in rng.poisson(means)]
    assert sum(status != "ok" for status in found) <= 0.0125 * len(found)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_planted_change_is_found(factor):
    rng = np.random.default_rng(5)
    found = [
        judged([*rng.poisson(1000, 8), 1000 * factor]).status in ("warning", "critical")
        for _ in range(200)
    ]
    assert all(found)


def test_weekdays_are_compared_with_their_own_kind():
    """Sundays have a tenth of the others' events: no Sunday is a drop."""
    days = {DAY - timedelta(days=n): 100.0 if n % 7 == 1 else 1000.0 for n in range(80)}
    sunday = DAY - timedelta(days=1)
    assert judge_day("volume", "s", days, sunday, CONFIG).status == "ok"
    days[DAY] = 100.0
    assert judge_day("volume", "s", days, DAY, CONFIG).status == "critical"


def test_the_scale_is_scipys_corrected_for_few_weeks():
    values = [90, 100, 110, 95, 130, 100, 70, 105]
    found = baseline(series([*values, 0]), DAY, 8, is_count=False)
    assert found.middle == np.median(values)
    mad = median_abs_deviation(values)
    expected = NORMAL * mad * 8 / 7.2 * np.sqrt(1 + np.pi / 16)
    assert found.scale == pytest.approx(expected)


def test_equal_weeks_make_no_baseline_without_width_of_counts():
    assert judged([10] * 8 + [13]).status == "ok"
    assert judged([10] * 8 + [60]).status == "critical"


def test_small_changes_are_none_however_steady_the_weeks_were():
    assert judged([100_000] * 8 + [120_000]).status == "ok"


def test_kpis_are_no_counts():
    config = KpiAnomalyConfig()
    rates = [0.030, 0.031, 0.029, 0.030, 0.032, 0.028, 0.031, 0.030]
    assert judged([*rates, 0.029], config).status == "ok"
    assert judged([*rates, 0.012], config).status == "critical"
    assert judged([0.03] * 9, config).value == 0
    assert judged([*[0.03] * 8, 0.0], config).status == "critical"
    assert judged([*[0.03] * 8, 0.029], config).status == "ok"  # too small a change


def test_too_few_weeks_and_a_missing_day_tell_nothing():
    assert judged([10] * 5 + [0]).status == "unknown"
    assert judge_day("volume", "s", {}, DAY, CONFIG).status == "unknown"
    known = series([10] * 9)
    del known[DAY]
    assert judge_day("volume", "s", known, DAY, CONFIG).status == "unknown"
