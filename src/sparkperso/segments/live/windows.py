"""From counters of hours to the numbers and sequences of rules, as of a time.

The time is a column, not a constant: a constant would make Spark compile all rules anew each time.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.live.counters import HOUR, SEQUENCE_EVENTS, Counters
from sparkperso.segments.rules.behaviour import VISIT, start_of
from sparkperso.segments.rules.measures import COUNT, SUM, Measure, of_visits, with_rounded_sums
from sparkperso.segments.rules.sequences import evaluate_sequences

NOW = "now"
"""The time that windows end at, microseconds since 1970."""


def numbers(hours: DataFrame, counted: Counters) -> DataFrame:
    """Returns (user_id, one column per measure), one row per user, as `behaviour` does from events.

    `hours` has one row per person, hour and visit, or several that are to be added up, and `now`;
    hours after it must not be in it.
    """
    of_visit = [_within(m, counted).alias(name) for m, name in counted.measures.items()]
    visits = hours.groupBy("user_id", VISIT).agg(*of_visit)
    sums = [of_visits(measure, name).alias(name) for measure, name in counted.measures.items()]
    return with_rounded_sums(visits.groupBy("user_id").agg(*sums), counted.measures)


def followed_sequences(hours: DataFrame, counted: Counters) -> DataFrame:
    """Returns (user_id, one boolean per sequence), one row per user, as `followed` does."""
    events = hours.select("user_id", NOW, F.inline(SEQUENCE_EVENTS))
    return evaluate_sequences(events, counted.sequences, F.col(NOW))


def _within(measure: Measure, counted: Counters) -> Column:
    counter = F.col(counted.counter_of(measure))
    if measure.days is not None:
        is_inside = F.unix_micros(HOUR) >= start_of(F.col(NOW), measure.days)
        counter = F.when(is_inside, counter)
    return of_hours(measure, counter)


def of_hours(measure: Measure, counter: Column) -> Column:
    """Returns the aggregate over the hours of a visit of a counter."""
    return F.sum(counter) if measure.kind in (COUNT, SUM) else F.max(counter)
