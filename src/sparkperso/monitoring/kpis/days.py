"""Days that are told anew: plain dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from math import ceil

from sparkperso.config.metrics import Metric

DAY = timedelta(days=1)
Span = tuple[date, date]
"""First and last day, both of it."""


def return_days(metric: Metric) -> range:
    """Returns after how many days a user's return counts, of a metric of kind retention.

    >>> list(return_days(Metric(name="week", kind="retention", day=6, window_days=2)))
    [6, 7]
    """
    return range(metric.day or 0, (metric.day or 0) + ceil(metric.window_days or 1))


def days_to_tell(
    touched: Iterable[date],
    metrics: Iterable[Metric],
    last_as_of: datetime,
    as_of: datetime,
) -> list[date]:
    """Returns the days whose KPIs may be others than at `last_as_of`, in their order.

    Those of which events came, those that began or went on since the last time, and of retention
    those whose users such a day is a return of, or whose last day of returning is over since.
    """
    fresh = set(_between(last_as_of.date(), as_of.date()))
    changed = {day for day in touched if day <= as_of.date()} | fresh
    told = set(changed)
    for metric in metrics:
        if metric.kind == "retention":
            after = return_days(metric)
            told |= {day - n * DAY for day in changed for n in after}
            # The last day of returning is over at the midnight after it, when this one begins.
            told |= {day - after.stop * DAY for day in fresh}
    return sorted(told)


def spans(days: Iterable[date]) -> list[Span]:
    """Returns days as few spans, for conditions on many of them.

    >>> [(str(a), str(b)) for a, b in spans([date(2026, 1, 2), date(2026, 1, 1)])]
    [('2026-01-01', '2026-01-02')]
    """
    found: list[Span] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _between(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]
