"""Sizes of segments from run to run, added up from the history of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.platform.literals import moment
from sparkperso.segments.base.points import SEGMENT_ID

LIVE = "live-"
"""Before the run's id in the model_version of changes that stream-segments found."""
Trend = Mapping[datetime, int]
"""as_of → users."""


def sizes_over_time(
    history: DataFrame, segmentations: Sequence[str]
) -> dict[str, dict[str, dict[datetime, int]]]:
    """Returns, per segmentation, segment id → as_of (UTC, naive) → users after the runs of it.

    Times are in their order. A row per segment and time of a run (of a stream, a day) is collected.
    A segmentation without history has no segments.
    """
    step = F.when(F.col("change") == "entered", 1).otherwise(-1)
    changes = history.where(F.col("segmentation").isin(*segmentations))
    # Those of a stream come by the second: they count at the day that they end with.
    next_day = F.date_trunc("day", "as_of") + F.expr("INTERVAL 1 DAY")
    is_live = F.col("model_version").startswith(LIVE)
    changes = changes.withColumn("as_of", F.when(is_live, next_day).otherwise(F.col("as_of")))
    at = F.unix_micros("as_of").alias("at")
    rows = changes.groupBy("segmentation", SEGMENT_ID, at).agg(F.sum(step).alias("more")).collect()
    return {
        name: _sizes({(r[SEGMENT_ID], r["at"]): int(r["more"]) for r in rows if r[0] == name})
        for name in segmentations
    }


def _sizes(more: Mapping[tuple[str, int], int]) -> dict[str, dict[datetime, int]]:
    """Returns segment id → time → size of (segment id, microseconds) → users more than before."""
    times = sorted({time for _, time in more})
    sizes: dict[str, dict[datetime, int]] = {}
    for name in sorted({name for name, _ in more}):
        size = 0
        for time in times:
            size += more.get((name, time), 0)
            sizes.setdefault(name, {})[moment(time)] = size
    return sizes


def before(trend: Trend, as_of: datetime) -> int | None:
    """Returns the size at the last run that looked less far than `as_of`; None without one.

    >>> before({datetime(2026, 1, 1): 40, datetime(2026, 1, 8): 55}, datetime(2026, 1, 8))
    40
    """
    earlier = [time for time in trend if time < as_of]
    return trend[max(earlier)] if earlier else None
