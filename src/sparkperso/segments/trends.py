"""Sizes of segments from run to run, added up from the history of members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.segments.points import SEGMENT_ID

Trend = Mapping[datetime, int]
"""as_of → users."""


def sizes_over_time(history: DataFrame, segmentation: str) -> dict[str, dict[datetime, int]]:
    """Returns segment id → as_of → users after the runs of that time, in the order of time.

    A row per segment and time of a run is collected. Raises nothing where there is no history.
    """
    step = F.when(F.col("change") == "entered", 1).otherwise(-1)
    mine = history.where(F.col("segmentation") == segmentation)
    rows = mine.groupBy(SEGMENT_ID, "as_of").agg(F.sum(step).alias("more")).collect()
    times = sorted({row["as_of"] for row in rows})
    more = {(row[SEGMENT_ID], row["as_of"]): int(row["more"]) for row in rows}
    found: dict[str, dict[datetime, int]] = {}
    for name in sorted({row[SEGMENT_ID] for row in rows}):
        size = 0
        for time in times:
            size += more.get((name, time), 0)
            found.setdefault(name, {})[time] = size
    return found


def before(trend: Trend, as_of: datetime) -> int | None:
    """Returns the size at the last run that looked less far than `as_of`; None without one."""
    earlier = [time for time in trend if time < as_of]
    return trend[max(earlier)] if earlier else None
