"""Sessions: as sent, and by a gap in time where none was sent."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

MICROSECONDS = 1_000_000

# Columns that `mark_sessions` adds.
STARTS, SINCE, STARTED = "session_starts", "since_previous", "session_started"


def derive_sessions(events: DataFrame, gap_minutes: int) -> DataFrame:
    """Returns events with `session_id` filled, rows and other columns unchanged.

    A session_id that was sent stays. The other events of a user (of an anonymous visitor where no
    user is named) form sessions that end where more than `gap_minutes` pass without an event;
    their id is `<who>@<time of the first event, UTC>`. An event that names nobody gets none.
    """
    who = F.coalesce("user_id", "anonymous_id")
    named = events.withColumn("_who", who).withColumn("_at", F.unix_micros("timestamp"))
    marked = mark_sessions(named, "_who", "_at", gap_minutes)
    start = F.date_format(F.timestamp_micros(STARTED), "yyyyMMdd'T'HHmmss.SSSSSS")
    derived = F.when(F.col("_who").isNotNull(), F.concat("_who", F.lit("@"), start))
    filled = marked.withColumn("session_id", F.coalesce("session_id", derived))
    return filled.select(*events.columns)


def mark_sessions(events: DataFrame, who: str, at: str, gap_minutes: int) -> DataFrame:
    """Adds to each event what sessions are counted by.

    `session_starts`: 1 for the first event of a session, else 0. `since_previous`:
    microseconds since the event before it in its session, 0 for the first, so that the sum over a
    session is its length. `session_started`: time of the session's first event. Times are whole
    microseconds since 1970, `at` too: their sums are exact.

    Sorts once by (who, session_id, at); needs no shuffle where the frame is partitioned by `who`.
    """
    order = W.partitionBy(who, "session_id").orderBy(at)
    since = F.col(at) - F.lag(at).over(order)
    too_long = F.col("session_id").isNull() & (F.col("_since") > gap_minutes * 60 * MICROSECONDS)
    starts = F.col("_since").isNull() | too_long
    so_far = order.rowsBetween(W.unboundedPreceding, W.currentRow)
    return (
        events.withColumn("_since", since)
        .withColumn(STARTS, starts.cast("int"))
        .withColumn(SINCE, F.when(starts, F.lit(0).cast("bigint")).otherwise(F.col("_since")))
        .withColumn(STARTED, F.max(F.when(starts, F.col(at))).over(so_far))
        .drop("_since")
    )
