"""Rows of the segment tables: members now, changes since the last run, profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.platform.literals import aware, instant
from sparkperso.schemas.segments import (
    SEGMENT_HISTORY,
    SEGMENT_PROFILES,
    SEGMENTATION_RUNS,
    SEGMENTS,
)
from sparkperso.segments.base.lineage import Lineage
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.result import SegmentationResult, SegmentProfile
from sparkperso.segments.describe.statistics import distinguishing


@dataclass(frozen=True)
class Stamp:
    """Which run wrote the rows, when, and how far it looked; times in UTC."""

    model_version: str
    assigned_at: datetime
    as_of: datetime
    scaler_version: str | None = None


def segment_rows(result: SegmentationResult, stamp: Stamp) -> DataFrame:
    """Returns the rows of gold/segments of one segmentation: one per (user_id, segment_id).

    The distance to the centre is in scaled features, null where there is no centre.
    """
    labels = {profile.segment_id: profile.label for profile in result.profiles}
    rows = result.members.withColumns(
        {
            "segmentation": F.lit(result.segmentation),
            "exclusive": F.lit(result.exclusive),
            "label": map_column(labels, F.col(SEGMENT_ID)),
            "kind": F.lit(result.kind),
            "model_version": F.lit(stamp.model_version),
            "assigned_at": instant(stamp.assigned_at),
        }
    )
    return rows.select(*SEGMENTS.column_names)


def membership_changes(
    history: DataFrame, members: DataFrame, stamps: Mapping[str, Stamp]
) -> DataFrame:
    """Returns the rows to add to gold/segment_history: who entered or left a segment.

    `members` are the rows of gold/segments of the segmentations of `stamps`. They are compared with
    the membership that the history itself adds up to, so a run that was interrupted between two
    tables can be started again.
    """
    before = membership(history.where(F.col("segmentation").isin(*stamps)))
    changes = changes_between(before, members.select(USER_ID, SEGMENT_ID, "segmentation", "label"))
    versions = {name: stamp.model_version for name, stamp in stamps.items()}
    rows = stamped(changes, next(iter(stamps.values())))
    return rows.withColumn("model_version", map_column(versions, F.col("segmentation")))


def membership(history: DataFrame) -> DataFrame:
    """Returns (user_id, segment_id, segmentation, label) of those whose last change was to enter.

    One row per (user_id, segment_id). The last change, not the sum: a stream and a batch run may
    both have written the same one.
    """
    inside = last_changes(history, "label").where(F.col("last.change") == "entered")
    return inside.select(USER_ID, SEGMENT_ID, "segmentation", "last.label")


def last_changes(history: DataFrame, *columns: str) -> DataFrame:
    """Returns (user_id, segment_id, segmentation, last): the last change of each, by the history.

    `last` is a struct of `change` and the `columns` of that row.
    """
    # Of changes at one moment `left` counts, since it is the larger text: the order is total.
    order = F.struct("assigned_at", "as_of", "change")
    latest = F.max_by(F.struct("change", *columns), order)
    return history.groupBy(USER_ID, SEGMENT_ID, "segmentation").agg(latest.alias("last"))


def changes_between(before: DataFrame, now: DataFrame) -> DataFrame:
    """Returns (user_id, segment_id, segmentation, label, change), one row per entry or exit.

    `before` and `now` hold (user_id, segment_id, segmentation, label), each user once in a segment;
    the change is `entered` or `left`.
    """
    key = [USER_ID, SEGMENT_ID, "segmentation"]
    old = before.select(*key, F.struct("label").alias("old"))
    new = now.select(*key, F.struct("label").alias("new"))
    # A struct per side tells "not there" from a label that is null.
    both = old.join(new, on=key, how="full_outer")
    changed = both.where(F.col("old").isNull() | F.col("new").isNull())
    change = F.when(F.col("old").isNull(), F.lit("entered")).otherwise(F.lit("left"))
    label = F.coalesce("new.label", "old.label").alias("label")
    return changed.select(*key, label, change.alias("change"))


def stamped(changes: DataFrame, stamp: Stamp) -> DataFrame:
    """Returns changes as rows of gold/segment_history, with the run that found them."""
    columns = {
        "as_of": instant(stamp.as_of),
        "model_version": F.lit(stamp.model_version),
        "assigned_at": instant(stamp.assigned_at),
    }
    return changes.withColumns(columns).select(*SEGMENT_HISTORY.column_names)


def profile_rows(
    result: SegmentationResult, stamp: Stamp, sizes: Mapping[str, int | None] | None = None
) -> list[tuple[Any, ...]]:
    """Returns the rows of gold/segment_profiles of one segmentation: one per segment.

    Tuples in the order of the table's columns. `sizes` are those of the last run of an earlier
    time, by segment id.
    """
    before = sizes or {}
    rows = [
        {**_profile_row(result, profile, stamp), "previous_size": before.get(profile.segment_id)}
        for profile in result.profiles
    ]
    return [tuple(row[name] for name in SEGMENT_PROFILES.column_names) for row in rows]


def run_row(result: SegmentationResult, stamp: Stamp, n_users: int) -> tuple[Any, ...]:
    """Returns the row of gold/segmentation_runs of one run, in the order of the table's columns."""
    lineage = result.lineage or Lineage(())
    row = {
        "segmentation": result.segmentation,
        "kind": result.kind,
        "as_of": aware(stamp.as_of),
        "n_users": n_users,
        "n_segments": len(result.profiles),
        "n_common": lineage.n_common,
        "moved_share": lineage.moved_share,
        "adjusted_rand_index": lineage.adjusted_rand_index,
        "changes": [tuple(vars(change).values()) for change in lineage.changes],
        "flows": [(*pair, n) for pair, n in sorted(lineage.flows.items())],
        "model_version": stamp.model_version,
        "assigned_at": aware(stamp.assigned_at),
    }
    return tuple(row[name] for name in SEGMENTATION_RUNS.column_names)


def _profile_row(
    result: SegmentationResult, profile: SegmentProfile, stamp: Stamp
) -> dict[str, Any]:
    return {
        "segment_id": profile.segment_id,
        "segmentation": result.segmentation,
        "kind": result.kind,
        "label": profile.label,
        "sentence": profile.sentence,
        "size": profile.size,
        "share": profile.share,
        "centre": {trait.feature: trait.value for trait in profile.traits},
        "centre_scaled": dict(profile.centre_scaled),
        "difference": {trait.feature: trait.difference for trait in profile.traits},
        "distinguishing": [
            (t.feature, t.difference, t.value, t.average) for t in distinguishing(profile)
        ],
        "scaler_version": stamp.scaler_version,
        "parent_id": profile.parent_id,
        "value": profile.value,
        "lifts": [(i.category, i.share, i.average, round(i.lift, 4)) for i in profile.lifts],
        "sample_members": list(profile.sample),
        "as_of": aware(stamp.as_of),
        "model_version": stamp.model_version,
    }
