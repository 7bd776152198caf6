"""Events per day, by type, source and channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

KINDS = ("event_type", "source", "channel")
EVERYTHING = "all events"
Count = tuple[date, str, str, str, int]
"""Day, event type, source, channel, events."""


def daily_counts(events: DataFrame, first: date, last: date) -> list[Count]:
    """Returns the events of each day from `first` to `last`, by all of KINDS at once."""
    inside = events.where(F.col("event_date").between(F.lit(first), F.lit(last)))
    named = [F.coalesce(kind, F.lit("none")).alias(kind) for kind in KINDS]
    rows = inside.select("event_date", *named).groupBy("event_date", *KINDS).count().collect()
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


def volume_series(counts: Iterable[Count], last: date) -> dict[str, dict[date, float]]:
    """Returns the series of all events, and of each type, source and channel: `event_type=click`.

    Each begins on the first day that has any of it, and ends on `last`; days without are 0.
    """
    sums: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for day, *values, n in counts:
        sums[EVERYTHING][day] += n
        for kind, value in zip(KINDS, values, strict=True):
            sums[f"{kind}={value}"][day] += n
    return {subject: _without_gaps(found, last) for subject, found in sorted(sums.items())}


def _without_gaps(found: dict[date, float], last: date) -> dict[date, float]:
    first = min(found)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return {day: found.get(day, 0.0) for day in days}
