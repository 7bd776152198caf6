"""Sessions of users: as sent, and by a gap in time where none was sent."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

MICROSECONDS = 1_000_000

# Columns that `mark_sessions` adds.
STARTS, SINCE, STARTED = "session_starts", "since_previous", "session_started"


def mark_sessions(
    events: DataFrame, who: str | Sequence[str], at: str, gap_minutes: int
) -> DataFrame:
    """Adds to each event what sessions are counted by.

    `session_starts`: 1 for the first event of a session, else 0. `since_previous`:
    microseconds since the event before it in its session, 0 for the first, so that the sum over a
    session is its length. `session_started`: time of the session's first event. Times are whole
    microseconds since 1970, `at` too: their sums are exact.

    `who` is a column, or several. Sorts once by (who, session_id, at); needs no shuffle where the
    frame is partitioned by `who`, or one of its columns.
    """
    keys = [who] if isinstance(who, str) else list(who)
    order = W.partitionBy(*keys, "session_id").orderBy(at)
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
