"""From events to one row of numbers per person, in one pass for all rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.metrics.filters import any_of, fits
from sparkperso.platform.literals import instant
from sparkperso.segments.rules.measures import (
    VISITS,
    Measure,
    flags_of,
    of_events,
    of_visits,
    with_rounded_sums,
)

AT, VISIT = "at", "visit"
DAY, HOUR = 86_400_000_000, 3_600_000_000
"""Microseconds."""


def behaviour(events: DataFrame, measures: Mapping[Measure, str], as_of: datetime) -> DataFrame:
    """Returns (user_id, one column per measure) of users with an event that any rule counts.

    One row per user, from one pass over the events. Where visits are counted, numbers are added up
    per visit first. Null, or 0 for a count, where nothing matches; times are microseconds since
    1970.
    """
    flags = flags_of(measures)
    narrow = _narrow(events, measures, flags, as_of)
    numbers = [
        of_events(m, F.col(flags[m.event_key]) & since(m, as_of)).alias(n)
        for m, n in measures.items()
    ]
    if any(measure.kind == VISITS for measure in measures):
        narrow = narrow.groupBy("user_id", VISIT).agg(*numbers)
        numbers = [of_visits(m, n).alias(n) for m, n in measures.items()]
    return with_rounded_sums(narrow.groupBy("user_id").agg(*numbers), measures)


def since(measure: Measure, as_of: datetime) -> Column:
    """Returns whether an event lies in the measure's window, which ends with `as_of`."""
    start = measure.start(as_of)
    return F.lit(True) if start is None else F.col(AT) >= micros(start)


def micros(moment: datetime) -> Column:
    """Returns a time as a literal of microseconds since 1970."""
    return F.unix_micros(instant(moment))


def visit_key() -> Column:
    """Returns what makes events of a person one visit: their session, else their hour (UTC)."""
    return F.coalesce("session_id", F.date_trunc("hour", "timestamp").cast("string"))


def span(days: float) -> Column:
    """Returns a number of days in microseconds, as a literal."""
    return F.lit(timedelta(days=days) // timedelta(microseconds=1))


def start_of(now: Column, days: float) -> Column:
    """Returns where a window of `days` before `now` begins, both in microseconds since 1970.

    Full hours, by the same steps as `rules.evaluate.window_start`, so that counters of hours tell
    the same.
    """
    start = now - F.pmod(now, F.lit(HOUR)) - span(days)
    return start - F.pmod(start, F.lit(HOUR))


def until(events: DataFrame, as_of: datetime, first: datetime | None = None) -> DataFrame:
    """Returns the events of known users up to `as_of`, from `first` on."""
    up_to_now = events.where(F.col("user_id").isNotNull() & (F.col("timestamp") <= instant(as_of)))
    return up_to_now if first is None else up_to_now.where(F.col("timestamp") >= instant(first))


def earliest(starts: Iterable[datetime | None]) -> datetime | None:
    """Returns the first of several starts; None when one of them has none.

    >>> earliest([datetime(2026, 3, 1), datetime(2026, 1, 1)])
    datetime.datetime(2026, 1, 1, 0, 0)
    >>> earliest([datetime(2026, 3, 1), None]) is None
    True
    """
    each = list(starts)
    bounded = [start for start in each if start is not None]
    return min(bounded) if bounded and len(bounded) == len(each) else None


def _narrow(
    events: DataFrame, measures: Mapping[Measure, str], flags: Mapping[str, str], as_of: datetime
) -> DataFrame:
    """The events that any measure counts, with a flag for each kind of events."""
    kinds = {flags[measure.event_key]: fits(measure.events) for measure in measures}
    in_reach = until(events, as_of, earliest(measure.start(as_of) for measure in measures))
    columns = [F.unix_micros("timestamp").alias(AT), "value", visit_key().alias(VISIT)]
    narrow = in_reach.select("user_id", *columns, *(fit.alias(name) for name, fit in kinds.items()))
    return narrow.where(any_of(kinds))
