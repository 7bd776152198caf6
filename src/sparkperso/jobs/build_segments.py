"""build-segments: scaled user features → segments, their history, profiles; people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkperso.config import config_hash, load_named
from sparkperso.config.segments import KMeansSegmentation
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.people import CONSENTS, EVENTS, PEOPLE, write_people
from sparkperso.jobs.step import Step
from sparkperso.segments.build import build_segmentation
from sparkperso.segments.population import Population, latest_population
from sparkperso.segments.result import SegmentationResult
from sparkperso.segments.rows import Stamp, membership_changes, profile_rows, segment_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURES, SCALED = "gold/user_features", "gold/user_features_scaled"
SEGMENTS, HISTORY, PROFILES = "gold/segments", "gold/segment_history", "gold/segment_profiles"


def build_segments(job: Job) -> Summary:
    """Carries out every configured segmentation and returns their figures."""
    names = job.settings.segments.segmentations
    plans = [load_named("segments", name, KMeansSegmentation, job.conf_dir) for name in names]
    population = latest_population(job.read(FEATURES), job.read(SCALED), job.as_of)
    summary: dict[str, Any] = {}
    for plan in plans:
        prefix = f"{plan.name} " if len(plans) > 1 else ""
        figures = _segment(job, population, plan)
        summary |= {f"{prefix}{key}": value for key, value in figures.items()}
    return {**summary, **write_people(job)}


def _segment(job: Job, population: Population, plan: KMeansSegmentation) -> Summary:
    with job.tracking.run(job.name, plan.name) as run:
        run.set_tags({"config_hash": config_hash(job.settings, plan), "as_of": population.as_of})
        result = build_segmentation(population, plan, job.settings.segments, run)
        now = datetime.now(timezone.utc)
        stamp = Stamp(run.run_id, now, population.as_of, population.scaler_version)
        write_segmentation(job, result, stamp)
        document = describe_model(job, result, stamp, plan)
        job.tracking.register(f"segments-{plan.name}", run.run_id, document)
    save_pictures(result.pictures, job.options.get("pictures"), plan.name)
    return summarise(result)


def write_segmentation(job: Job, result: SegmentationResult, stamp: Stamp) -> None:
    """Replaces the segmentation's members and profiles, and adds what changed to the history.

    The history comes last and is compared with itself: started again after an interruption, the
    run completes it.
    """
    mine = f"segmentation = '{result.segmentation}'"
    job.writer(PROFILES).overwrite(profile_rows(result, stamp), where=mine)
    job.writer(SEGMENTS).overwrite(segment_rows(result, stamp), where=mine)
    members, history = job.lake.ref(SEGMENTS).read().where(mine), job.lake.ref(HISTORY).read()
    changes = membership_changes(history, members, result.segmentation, stamp)
    job.writer(HISTORY).append(changes)


def describe_model(
    job: Job, result: SegmentationResult, stamp: Stamp, plan: KMeansSegmentation
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


def save_pictures(pictures: Mapping[str, Figure], folder: str | None, name: str) -> None:
    """Writes the pictures as `<folder>/<segmentation>-<picture>`; without a folder, nothing."""
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for file, figure in pictures.items():
        figure.savefig(Path(folder) / f"{name}-{file}")


def summarise(result: SegmentationResult) -> dict[str, Any]:
    """Returns the figures to print: the measures, and each segment with its size."""
    sizes = "; ".join(f"{p.label} {p.size:,}" for p in result.profiles)
    return {"segmentation": result.segmentation, **result.figures, "segments": sizes}


STEP = Step(
    name="build-segments",
    action=build_segments,
    inputs=(FEATURES, SCALED, EVENTS, CONSENTS),
    outputs=(SEGMENTS, HISTORY, PROFILES, PEOPLE),
    conf=("segments",),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
