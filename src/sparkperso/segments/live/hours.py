"""Rows of counters as a stream keeps them: the last of each hour, and one row for what is long ago.

The rows of micro-batches hold the whole hour so far, so that the last one counts. Beside them are
those of the start (SEED), counted from the events that there were: the two are to be added up.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from sparkperso.segments.live.counters import HOUR, KEYS, LAST_AT, SEQUENCE_EVENTS, Counters
from sparkperso.segments.live.windows import of_hours
from sparkperso.segments.rules.behaviour import VISIT, span
from sparkperso.segments.rules.measures import of_visits

BATCH = "batch"
"""Number of the micro-batch that a row is from."""
SEED = -1
PAST = ""
"""Stands for all visits of long ago."""
SLACK_DAYS = 2
"""A session may go on for so long after an hour that is over."""


def settled(hours: DataFrame) -> DataFrame:
    """Returns the seed's rows and, of every hour of a visit, the last one of the stream.

    At most two rows per user, hour and visit, which are to be added up.
    """
    others = [name for name in hours.columns if name not in KEYS]
    last = F.max_by(F.struct(*others), BATCH).alias("last")
    is_seed = (F.col(BATCH) == SEED).alias("is_seed")
    return hours.groupBy(*KEYS, is_seed).agg(last).select(*KEYS, "last.*")


def reach_of(counted: Counters, late_hours: float) -> float:
    """Returns how many days back an hour can still matter by itself, or change.

    That is the longest window or sequence, or how late events may come, and SLACK_DAYS for sessions
    that go on.
    """
    windows = [measure.days for measure in counted.measures if measure.days]
    spans = [(s.in_last_days or 0) + s.within_days for s in counted.sequences.values()]
    return max([late_hours / 24, *windows, *spans]) + SLACK_DAYS


def folded(hours: DataFrame, counted: Counters, now: Column, days: float) -> DataFrame:
    """Returns settled rows with each person's visits of more than `days` ago as one row.

    `now` is in microseconds since 1970. No window reaches back to that row; what has no window
    finds there the same numbers as in the rows that it stands for.
    """
    # A visit is past when its last hour is: half of it must not be folded away.
    ended = F.max(F.unix_micros(HOUR)).over(Window.partitionBy("user_id", VISIT))
    marked = hours.withColumn("is_past", F.col("user_id").isNotNull() & (ended < now - span(days)))
    past = marked.where("is_past")
    of_visit = [of_hours(m, F.col(name)).alias(name) for m, name in counted.counters.items()]
    shared = [F.max(HOUR).alias(HOUR), F.max(LAST_AT).alias(LAST_AT)]
    if counted.sequences:
        events = F.flatten(F.collect_list(SEQUENCE_EVENTS))
        shared.append(events.alias(SEQUENCE_EVENTS))
    visits = past.groupBy("user_id", VISIT).agg(*of_visit, *shared)
    of_person = [of_visits(m, name).alias(name) for m, name in counted.counters.items()]
    one = visits.groupBy("user_id").agg(*of_person, *shared)
    row = one.withColumns({VISIT: F.lit(PAST), BATCH: F.lit(SEED)})
    return marked.where("NOT is_past").select(*hours.columns).unionByName(row)
