"""From counters of hours to the numbers and sequences of rules, as of a time."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.live.counters import HOUR, TOLD, Counted
from sparkperso.segments.rules.behaviour import VISIT
from sparkperso.segments.rules.measures import COUNT, SUM, Measure, of_visits, with_rounded_sums
from sparkperso.segments.rules.sequences import tell


def numbers(hours: DataFrame, counted: Counted, as_of: datetime) -> DataFrame:
    """Returns (user_id, one column per measure), as `behaviour` does from events.

    `hours` has one row per person, hour and visit; hours after `as_of` must not be in it.
    """
    of_visit = [_within(m, counted, as_of).alias(name) for m, name in counted.measures.items()]
    visits = hours.groupBy("user_id", VISIT).agg(*of_visit)
    sums = [of_visits(measure, name).alias(name) for measure, name in counted.measures.items()]
    return with_rounded_sums(visits.groupBy("user_id").agg(*sums), counted.measures)


def told_sequences(hours: DataFrame, counted: Counted, as_of: datetime) -> DataFrame:
    """Returns (user_id, one boolean per sequence), as `followed` does from events."""
    events = hours.select("user_id", F.inline(TOLD))
    return tell(events, counted.sequences, as_of)


def _within(measure: Measure, counted: Counted, as_of: datetime) -> Column:
    start = measure.start(as_of)
    counter = F.col(counted.counter_of(measure))
    mine = counter if start is None else F.when(F.col(HOUR) >= F.lit(start), counter)
    return F.sum(mine) if measure.kind in (COUNT, SUM) else F.max(mine)
