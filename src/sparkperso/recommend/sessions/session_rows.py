"""Events as sessions, a row each: the same for a benchmark's files and for gold/session_index."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID

AT = "at"
"""Time of an event, in microseconds since 1970."""


def session_rows(events: DataFrame, keys: Sequence[str], max_events: int) -> DataFrame:
    """Returns keys, items, n_events, first_at, last_at: one row per session.

    `events` has item_id, `at` and the keys. items stand in order of time and item_id, each as often
    as it came; of a session of more than `max_events` (n_events tells) they are the latest. Times
    are microseconds since 1970, of all its events. Spark holds `max_events` of a session at a time.
    """
    latest = W.partitionBy(*keys).orderBy(F.desc(AT), F.desc(ITEM_ID))
    placed = events.withColumn("place", F.row_number().over(latest))
    # What is null is not collected.
    event = F.when(F.col("place") <= max_events, F.struct(AT, ITEM_ID))
    in_order = F.array_sort(F.collect_list(event))
    return placed.groupBy(*keys).agg(
        F.transform(in_order, lambda one: one[ITEM_ID]).alias("items"),
        F.max("place").alias("n_events"),
        F.min(AT).alias("first_at"),
        F.max(AT).alias("last_at"),
    )


def latest_sessions(sessions: DataFrame, key: str, n_sessions: int, max_sessions: int) -> DataFrame:
    """Returns the `max_sessions` latest of these `n_sessions`, by last_at and their key."""
    if n_sessions <= max_sessions:
        return sessions
    return sessions.orderBy(F.desc("last_at"), F.desc(key)).limit(max_sessions)
