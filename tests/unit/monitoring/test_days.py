"""Days that are told anew: those that something came of, and those that they end."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from sparkperso.config.metrics import Metric
from sparkperso.monitoring.kpis.days import days_to_tell, spans

AS_OF = datetime(2026, 3, 12, 20)
DAY = timedelta(days=1)
RETURNS = [Metric(name="back", kind="retention", day=1)]


def march(*days):
    return [date(2026, 3, day) for day in days]


def test_the_day_of_as_of_goes_on_and_of_late_events_their_own_day_is_told():
    assert days_to_tell([], [], AS_OF, AS_OF) == march(12)
    assert days_to_tell(march(5), [], AS_OF - 2 * DAY, AS_OF) == march(5, 10, 11, 12)


def test_of_retention_the_days_before_are_told_and_those_that_are_over_since():
    assert days_to_tell([], RETURNS, AS_OF, AS_OF) == march(10, 11, 12)
    assert days_to_tell(march(5), RETURNS, AS_OF, AS_OF) == march(4, 5, 10, 11, 12)


def test_nothing_after_as_of_is_told():
    assert days_to_tell(march(20), [], AS_OF, AS_OF) == march(12)


@pytest.mark.parametrize("days", [march(), march(3), march(1, 2, 3, 7, 9, 10)])
def test_spans_hold_the_days_and_no_others(days):
    held = [a + n * DAY for a, b in spans(reversed(days)) for n in range((b - a).days + 1)]
    assert held == days
