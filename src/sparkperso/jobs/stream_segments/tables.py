"""gold/segments and gold/segment_history, as stream-segments writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.core.errors import WriteConflictError
from sparkperso.jobs.build_segments.tables import HISTORY, SEGMENTS
from sparkperso.pipeline.job import Job
from sparkperso.platform.frames import pinned
from sparkperso.platform.literals import aware, instant, moment
from sparkperso.schemas import TABLES
from sparkperso.segments.tables.size_history import LIVE
from sparkperso.segments.tables.table_rows import Stamp, changes_between, membership, stamped

MEMBER = (USER_ID, "segment_id", "segmentation", "label")


def stamp_at(job: Job, now: int) -> Stamp:
    """Returns the stamp of what is found as of `now`, microseconds since 1970."""
    return Stamp(f"{LIVE}{job.run_id}", datetime.now(timezone.utc), aware(moment(now)))


def membership_of(job: Job, names: Iterable[str]) -> DataFrame:
    """Returns MEMBER of some segmentations, one row per (user_id, segment_id), by the history."""
    history = job.lake.ref(HISTORY).read()
    return membership(history.where(F.col("segmentation").isin(*names)))


def record_changes(job: Job, changes: DataFrame, stamp: Stamp) -> None:
    """Adds changes to the history."""
    job.writer(HISTORY).append(stamped(changes, stamp))


def record(
    job: Job,
    before: DataFrame,
    now: DataFrame,
    others: DataFrame | None,
    stamp: Stamp,
    *,
    written: DataFrame | None = None,
) -> int | None:
    """Writes members and what changed, if anything did; returns the number of changes.

    `now` is `pinned` and holds MEMBER, exclusive, kind and distance of the segmentations in
    it; `others` are rows of gold/segments of theirs that stay. `written` are MEMBER of
    gold/segments, where they may be behind the history. None: another run was writing.
    """
    with pinned(changes_between(before, now.select(*MEMBER))) as changes:
        counts = {row[0]: row[1] for row in changes.groupBy("segmentation").count().collect()}
        names = set(counts)
        if written is not None:
            behind = changes_between(written, now.select(*MEMBER)).select("segmentation")
            names |= {row[0] for row in behind.distinct().collect()}
        if not names:
            return 0
        has_changed = F.col("segmentation").isin(*names)
        rows = member_rows(now.where(has_changed), stamp)
        rows = rows if others is None else rows.unionByName(others.where(has_changed))
        listed = ", ".join(f"'{name}'" for name in sorted(names))
        try:
            job.writer(SEGMENTS).overwrite(rows, where=f"segmentation IN ({listed})")
        except WriteConflictError:
            # build-segments was at it: the next sweep holds its members against the history.
            return None
        if counts:
            record_changes(job, changes, stamp)
        return int(sum(counts.values()))


def members_written(job: Job, names: Iterable[str]) -> DataFrame:
    """Returns MEMBER of some segmentations, as gold/segments has them."""
    rows = job.lake.ref(SEGMENTS).read().where(F.col("segmentation").isin(*names))
    return rows.select(*MEMBER)


def member_rows(now: DataFrame, stamp: Stamp) -> DataFrame:
    """Returns the rows of gold/segments."""
    columns = {
        "model_version": F.lit(stamp.model_version),
        "assigned_at": instant(stamp.assigned_at),
    }
    return now.withColumns(columns).select(*TABLES[SEGMENTS].column_names)
