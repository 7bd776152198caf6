"""The tables of segments: what was before a run, and what a run writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segmentation import Segmentation
from sparkperso.core.columns import USER_ID
from sparkperso.pipeline.job import Job
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.previous_run import PreviousRun
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.tables.size_history import before, sizes_over_time
from sparkperso.segments.tables.table_rows import (
    Stamp,
    membership_changes,
    profile_rows,
    run_row,
    segment_rows,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVENTS = "silver/events"
FEATURES, SCALED = "gold/user_features", "gold/user_features_scaled"
SEGMENTS, HISTORY, PROFILES = "gold/segments", "gold/segment_history", "gold/segment_profiles"
RUNS = "gold/segmentation_runs"


Trends = Mapping[str, Mapping[str, Mapping[datetime, int]]]
"""Segmentation → segment id → as_of → users."""


@dataclass(frozen=True)
class Built:
    """A segmentation that is to be written."""

    plan: Segmentation
    result: SegmentationResult
    stamp: Stamp
    pictures: Mapping[str, Figure]
    """File name → figure."""


def read_sizes(job: Job, plans: Sequence[Segmentation]) -> Trends:
    """Returns the sizes of all segments over all runs, of some segmentations: one query."""
    return sizes_over_time(job.lake.ref(HISTORY).read(), [plan.name for plan in plans])


def read_previous(
    job: Job, names: Sequence[str], sizes: Trends, is_local: bool
) -> dict[str, PreviousRun]:
    """Returns what some segmentations are now, by name; those without a run are left out.

    `sizes` are those of `read_sizes`; members are (user_id, segment_id), in memory if `is_local`.
    """
    if not names:
        return {}
    is_named = F.col("segmentation").isin(*names)
    profiles = job.lake.ref(PROFILES).read().where(is_named)
    labels: dict[str, dict[str, str]] = {}
    for name, segment, label in profiles.select("segmentation", SEGMENT_ID, "label").collect():
        labels.setdefault(name, {})[segment] = label
    if not labels:
        return {}
    rows = job.lake.ref(SEGMENTS).read().where(is_named).select("segmentation", USER_ID, SEGMENT_ID)
    members: Mapping[str, DataFrame | Sequence[tuple[str, str]]]
    if is_local:  # one query for all segmentations, not one for each
        every = rows.collect()
        members = {name: [(r[1], r[2]) for r in every if r[0] == name] for name in labels}
    else:
        members = {name: rows.where(F.col("segmentation") == name) for name in labels}
    # `sizes` come from the history, which knows every id that was ever given.
    return {n: PreviousRun(members[n], own, frozenset(sizes[n])) for n, own in labels.items()}


def write_segmentations(job: Job, built: Sequence[Built], sizes: Trends, n_users: int) -> None:
    """Replaces the segmentations' members and profiles, and adds what changed to the history.

    Each table in one commit. The history comes last and is compared with itself: started again
    after an interruption, the run completes it. `sizes` are those of before the run.
    """
    listed = ", ".join(f"'{one.result.segmentation}'" for one in built)
    condition = f"segmentation IN ({listed})"
    profiles, runs = [], []
    for one in built:
        trends = sizes.get(one.result.segmentation, {})
        earlier = {name: before(trend, one.stamp.as_of) for name, trend in trends.items()}
        profiles += profile_rows(one.result, one.stamp, earlier)
        runs.append(run_row(one.result, one.stamp, n_users))
    members = reduce(DataFrame.unionByName, [segment_rows(b.result, b.stamp) for b in built])
    writer = job.writer(PROFILES)
    writer.overwrite(writer.frame_of(profiles), where=condition)
    job.writer(SEGMENTS).overwrite(members, where=condition)
    job.writer(RUNS).append_rows(runs)
    stamps = {one.result.segmentation: one.stamp for one in built}
    changes = membership_changes(job.lake.ref(HISTORY).read(), members, stamps)
    job.writer(HISTORY).append(changes)


def describe_model(one: Built, versions: Mapping[str, int | None]) -> dict[str, Any]:
    """Returns what a registered version is: tables and their versions, centres, configuration."""
    result, stamp = one.result, one.stamp
    return {
        "kind": result.kind,
        "segmentation": result.segmentation,
        "model_version": stamp.model_version,
        "as_of": stamp.as_of.isoformat(),
        "scaler_version": stamp.scaler_version,
        "inputs": {table: versions[table] for table in (FEATURES, SCALED)},
        "tables": {table: versions[table] for table in (SEGMENTS, PROFILES)},
        "figures": dict(result.figures),
        **result.document,
        "configuration": one.plan.model_dump(mode="json"),
    }
