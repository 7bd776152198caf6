"""Sizes of segments from run to run, added up from the history of members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.platform.literals import moment
from sparkperso.segments.base.points import SEGMENT_ID

LIVE = "live-"
"""Before the run's id in the model_version of changes that stream-segments found."""
Trend = Mapping[datetime, int]
"""as_of → users."""


def sizes_over_time(history: DataFrame, segmentation: str) -> dict[str, dict[datetime, int]]:
    """Returns segment id → as_of (UTC, naive) → users after the runs of it, in the order of time.

    A row per segment and time of a run (of a stream, a day) is collected. Raises nothing where
    there is no history.
    """
    step = F.when(F.col("change") == "entered", 1).otherwise(-1)
    mine = history.where(F.col("segmentation") == segmentation)
    # Those of a stream come by the second: they are told by the day that they end with.
    next_day = F.date_trunc("day", "as_of") + F.expr("INTERVAL 1 DAY")
    is_live = F.col("model_version").startswith(LIVE)
    mine = mine.withColumn("as_of", F.when(is_live, next_day).otherwise(F.col("as_of")))
    at = F.unix_micros("as_of").alias("at")
    rows = mine.groupBy(SEGMENT_ID, at).agg(F.sum(step).alias("more")).collect()
    times = sorted({row["at"] for row in rows})
    more = {(row[SEGMENT_ID], row["at"]): int(row["more"]) for row in rows}
    found: dict[str, dict[datetime, int]] = {}
    for name in sorted({row[SEGMENT_ID] for row in rows}):
        size = 0
        for time in times:
            size += more.get((name, time), 0)
            found.setdefault(name, {})[moment(time)] = size
    return found


def before(trend: Trend, as_of: datetime) -> int | None:
    """Returns the size at the last run that looked less far than `as_of`; None without one."""
    earlier = [time for time in trend if time < as_of]
    return trend[max(earlier)] if earlier else None
