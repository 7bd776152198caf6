"""The tables of segments: what was before a run, and what a run writes."""

from __future__ import annotations

from typing import Any

from sparkperso.config.segmentation import Segmentation
from sparkperso.pipeline.job import Job
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.previous_run import PreviousRun
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.tables.size_history import before, sizes_over_time
from sparkperso.segments.tables.table_rows import (
    Stamp,
    membership_changes,
    profile_rows,
    run_rows,
    segment_rows,
)

FEATURES, SCALED = "gold/user_features", "gold/user_features_scaled"
SEGMENTS, HISTORY, PROFILES = "gold/segments", "gold/segment_history", "gold/segment_profiles"
RUNS = "gold/segmentation_runs"


def read_previous(job: Job, name: str) -> PreviousRun | None:
    """Returns what a segmentation is now; None before its first run."""
    mine = f"segmentation = '{name}'"
    profiles = job.lake.ref(PROFILES).read().where(mine).select("segment_id", "label").collect()
    if not profiles:
        return None
    members = job.lake.ref(SEGMENTS).read().where(mine).select("user_id", "segment_id")
    ever = job.lake.ref(HISTORY).read().where(mine).select("segment_id").distinct().collect()
    return PreviousRun(members, dict(map(tuple, profiles)), frozenset(row[0] for row in ever))


def write_segmentation(
    job: Job, result: SegmentationResult, stamp: Stamp, population: Population
) -> None:
    """Replaces the segmentation's members and profiles, and adds what changed to the history.

    The history comes last and is compared with itself: started again after an interruption, the
    run completes it.
    """
    mine = f"segmentation = '{result.segmentation}'"
    trends = sizes_over_time(job.lake.ref(HISTORY).read(), result.segmentation)
    sizes = {name: before(trend, stamp.as_of) for name, trend in trends.items()}
    job.writer(PROFILES).overwrite(profile_rows(result, stamp, sizes), where=mine)
    job.writer(SEGMENTS).overwrite(segment_rows(result, stamp), where=mine)
    job.writer(RUNS).append(run_rows(result, stamp, population.size))
    members, history = job.lake.ref(SEGMENTS).read().where(mine), job.lake.ref(HISTORY).read()
    changes = membership_changes(history, members, result.segmentation, stamp)
    job.writer(HISTORY).append(changes)


def describe_model(
    job: Job, result: SegmentationResult, stamp: Stamp, plan: Segmentation
) -> dict[str, Any]:
    """Returns what a registered version is: tables and their versions, centres, configuration."""
    return {
        "kind": result.kind,
        "segmentation": result.segmentation,
        "model_version": stamp.model_version,
        "as_of": stamp.as_of.isoformat(),
        "scaler_version": stamp.scaler_version,
        "inputs": {table: job.lake.ref(table).version() for table in (FEATURES, SCALED)},
        "tables": {table: job.lake.ref(table).version() for table in (SEGMENTS, PROFILES)},
        "figures": dict(result.figures),
        **result.document,
        "configuration": plan.model_dump(mode="json"),
    }
