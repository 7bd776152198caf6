"""build-segments: scaled user features → segments, their history, profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkperso.config import config_hash, load_named
from sparkperso.config.own_features import load_own_features
from sparkperso.config.segmentation import RuleSegmentation, Segmentation, load_segmentation
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError
from sparkperso.jobs.build_segments.tables import (
    EVENTS,
    FEATURES,
    HISTORY,
    PROFILES,
    RUNS,
    SCALED,
    SEGMENTS,
    Built,
    describe_model,
    read_previous,
    read_sizes,
    write_segmentations,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.persons import USERS, persons_of
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.privacy.fields import PERSONAL, UNKNOWN, PersonalFields
from sparkperso.rules.attributes import compared_traits, invalid_references
from sparkperso.rules.conditions import Condition
from sparkperso.rules.spelling import speller
from sparkperso.segments.base.population import Population, latest_population
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.build import build_segmentation
from sparkperso.segments.rules.build import rule_matches
from sparkperso.segments.rules.overlaps import overlaps
from sparkperso.segments.tables.plots import draw_flows, draw_sizes
from sparkperso.segments.tables.table_rows import Stamp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sparkperso.platform.tracking import MlflowRun


def build_segments(job: Job) -> Summary:
    """Carries out every configured segmentation and returns their figures.

    1. Plans, users and what the segmentations were before are read; rules are checked.
    2. Each segmentation is built in an MLflow run of its own, open until all are written.
    3. Unless forced, none may move more users than `segments.stability` allows.
    4. Tables are written, then versions registered.

    Raises ConfigError for plans that are unsound and QualityGateError where users form no segments,
    or too many would move.
    """
    plans = load_plans(job)
    population = read_population(job)
    if job.options.get("dry_run"):
        return dry_run(population, plans, job.settings.segments.min_members)
    sizes = read_sizes(job, plans)
    # Rules have ids and names of their own.
    followed = [plan.name for plan in plans if not isinstance(plan, RuleSegmentation)]
    previous = read_previous(job, followed, sizes, is_local=population.users is not None)
    # Runs of MLflow stay open until all is written: one that raises marks them as failed.
    with ExitStack() as open_runs:
        built = []
        for number, plan in enumerate(plans):
            job.count(number, len(plans), "segmentations")
            run = open_runs.enter_context(job.tracking.run(job.name, plan.name, plan.description))
            before = replace(population, previous=previous.get(plan.name))
            one = build_one(job, run, before, plan)
            built.append((run, one))
        job.count(len(plans), len(plans), "segmentations")
        if not job.options.get("force"):
            for _, one in built:
                if one.result.lineage:
                    one.result.lineage.require(one.plan.name, job.settings.segments.stability)
        write_segmentations(job, [one for _, one in built], sizes, population.size)
        register(job, built)
    return report(job, [one for _, one in built])


def load_plans(job: Job) -> list[Segmentation]:
    """Returns the configured segmentations, the values of rules spelled as ingest spells them.

    Raises ConfigError for one that is unsound: unknown features or event types, values that cannot
    occur, references in a circle.
    """
    plans = [load_segmentation(n, job.conf_dir) for n in job.settings.segments.segmentations]
    if not any(isinstance(plan, RuleSegmentation) for plan in plans):
        return plans
    name = job.settings.ingest.tracking_plan
    tracking = load_named("tracking_plans", name, TrackingPlan, job.conf_dir)
    checked = [
        _check(job, plan, tracking) if isinstance(plan, RuleSegmentation) else (plan, [])
        for plan in plans
    ]
    faults = [fault for _, own in checked for fault in own]
    if faults:
        raise ConfigError(
            "Rules should refer to known event types, attributes and values only",
            "; ".join(faults),
        )
    return [plan for plan, _ in checked]


def _check(
    job: Job, plan: RuleSegmentation, tracking: TrackingPlan
) -> tuple[RuleSegmentation, list[str]]:
    """Returns the rules as ingest spells their values, which is said, and what cannot occur."""
    own = [feature.name for feature in load_own_features(job.conf_dir)]
    faults: list[str] = []
    segments = {}
    for key, rule in plan.segments.items():
        spelling = speller(job.settings.ingest.country_aliases)
        when = spelling.condition(rule.when)
        segments[key] = rule.model_copy(update={"when": when})
        place = f"conf/segments/{plan.name}.yaml, {key}"
        for note in (*spelling.changes, *_unreadable(when, tracking)):
            job.say(f"{place}: {note}")
        invalid = (*spelling.faults, *invalid_references(when, tracking.event_types, own))
        faults += [f"{place}: {fault}" for fault in invalid]
    return plan.model_copy(update={"segments": segments}), faults


def _unreadable(condition: Condition, tracking: TrackingPlan) -> list[str]:
    """Returns a note for each trait that is compared with texts, but held as a pseudonym."""
    fields = PersonalFields(tracking.personal_of("identify"), tracking.public_traits)
    return [
        f"trait '{name}' becomes a pseudonym on arrival and fits no text: where it may stay "
        f"readable, list it under public_traits in conf/tracking_plans/{tracking.name}.yaml"
        for name in sorted(compared_traits(condition))
        if fields.meaning(name)[1] in {PERSONAL, UNKNOWN}
    ]


def read_population(job: Job) -> Population:
    """Returns the users to divide, and what rules look at."""
    population = latest_population(job.read(FEATURES), job.read(SCALED), job.as_of)
    persons = persons_of(job, job.read(EVENTS))
    return replace(population, persons=persons).collected(job.settings.segments.driver_users)


def dry_run(population: Population, plans: Sequence[Segmentation], floor: int) -> Summary:
    """Returns the sizes and overlaps of all rules; of fewer than `floor` people only `<floor`."""
    figures: dict[str, Any] = {"users": population.size}
    for plan in plans:
        if isinstance(plan, RuleSegmentation):
            for pair in overlaps(rule_matches(population, plan), list(plan.rules)):
                both = "" if pair.first == pair.second else f" and {pair.second}"
                figures[f"{plan.name}: {pair.first}{both}"] = pair.shown(floor)
    return figures


def build_one(job: Job, run: MlflowRun, population: Population, plan: Segmentation) -> Built:
    """Returns one segmentation; its figures and pictures are kept in `run`."""
    run.set_tags({"config_hash": config_hash(job.settings, plan), "as_of": population.as_of})
    result = build_segmentation(population, plan, job.settings.segments, run)
    now = datetime.now(timezone.utc)
    pictures = {**result.pictures, **draw_moves(result)}
    log_pictures(run, pictures)
    stamp = Stamp(run.run_id, now, population.as_of, population.scaler_version)
    return Built(plan, result, stamp, pictures)


def register(job: Job, built: Sequence[tuple[MlflowRun, Built]]) -> None:
    """Registers what was written, and draws the sizes of all segments over all runs."""
    trends = read_sizes(job, [one.plan for _, one in built])
    tables = (FEATURES, SCALED, SEGMENTS, PROFILES)
    # After the writing: the versions that hold what this run wrote.
    versions = {table: job.lake.ref(table).version() for table in tables}
    inputs = job.table_inputs()
    for run, one in built:
        run.log_inputs(inputs)
        sizes = draw_trends(trends[one.plan.name], one.result)
        log_pictures(run, sizes)
        document = describe_model(one, versions)
        job.tracking.register(f"segments-{one.plan.name}", run.run_id, document)
        pictures = {**one.pictures, **sizes}
        save_pictures(pictures, job.options.get("pictures"), one.plan.name)


def draw_moves(result: SegmentationResult) -> dict[str, Figure]:
    """Returns the picture of who went where since the run before, if there was one."""
    lineage = result.lineage
    if lineage is None or not lineage.flows:
        return {}
    labels = {**lineage.labels_before, **_labels(result)}
    return {"flows.png": draw_flows(lineage.flows, labels, result.segmentation)}


def draw_trends(
    trends: Mapping[str, Mapping[datetime, int]], result: SegmentationResult
) -> dict[str, Figure]:
    """Returns the picture of the segments' sizes (id → as_of → users) over all runs."""
    labels = _labels(result)
    current = {name: trend for name, trend in trends.items() if name in labels}
    return {"sizes.png": draw_sizes(current, labels, result.segmentation)} if current else {}


def log_pictures(run: RunRecorder, pictures: Mapping[str, Figure]) -> None:
    """Keeps pictures as artifacts of the run."""
    for name, figure in pictures.items():
        run.log_figure(figure, f"pictures/{name}")


def _labels(result: SegmentationResult) -> dict[str, str]:
    return {profile.segment_id: profile.label for profile in result.profiles}


def save_pictures(pictures: Mapping[str, Figure], folder: str | None, name: str) -> None:
    """Writes the pictures as `<folder>/<segmentation>-<picture>`; without a folder, nothing."""
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for file, figure in pictures.items():
        figure.savefig(Path(folder) / f"{name}-{file}")


def report(job: Job, built: Sequence[Built]) -> Summary:
    """Shows each segment with its size, one a line; returns the figures of all segmentations."""
    summary: dict[str, Any] = {}
    for one in built:
        figures, prefix = summarise(one.result), ""
        if len(built) > 1:
            prefix = f"{figures.pop('segmentation')} "
        summary |= {f"{prefix}{key}": value for key, value in figures.items()}
        for profile in one.result.profiles:
            job.say(f"{one.plan.name}: {profile.label} {profile.size:,}")
    return summary


def summarise(result: SegmentationResult) -> dict[str, Any]:
    """Returns the figures to print: the measures, and how many segments there are."""
    lineage = result.lineage
    moved: dict[str, Any] = {}
    if lineage and lineage.n_common:
        moved = {
            "adjusted Rand index": lineage.adjusted_rand_index,
            "moved": f"{lineage.moved_share:.1%}",
        }
    notes = {"note": "; ".join(result.notes)} if result.notes else {}
    figures = {**result.figures, **moved, **notes, "segments": len(result.profiles)}
    return {"segmentation": result.segmentation, **figures}


STEP = Step(
    name="build-segments",
    action=build_segments,
    inputs=(FEATURES, SCALED, EVENTS, USERS),
    outputs=(SEGMENTS, HISTORY, PROFILES, RUNS),
    conf=("segments", "features", "tracking_plans"),
    side_options=("pictures", "force"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
