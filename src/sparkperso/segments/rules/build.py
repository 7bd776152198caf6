"""The segmentation of kind `rules`."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segmentation import RuleSegmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.core.errors import JobError
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import aware
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.segments.base.arrays import Members, Users, as_frame
from sparkperso.segments.base.points import DISTANCE, SEGMENT_ID
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.describe import plots
from sparkperso.segments.describe.statistics import profile_segments
from sparkperso.segments.rules.members import KEYS, People, fulfilled
from sparkperso.segments.rules.overlaps import overlaps, overlaps_of
from sparkperso.segments.rules.plots import draw_overlaps


def build_rules(
    population: Population,
    plan: RuleSegmentation,
    settings: SegmentsConfig,
    recorder: RunRecorder,
) -> SegmentationResult:
    """Returns the people of every rule; they are cached until the open keeper ends.

    1. One plan over features and events gives each user the keys of the rules that hold.
    2. Of these: sizes and overlaps, members, profiles; small segments are only shown as small.

    Members are one row per (user_id, segment_id), without a distance; somebody may be in several
    segments. Raises ConfigError for features that are not there and JobError without events.
    """
    population.require(plan.profiled)
    matches = rule_matches(population, plan)
    members: DataFrame | Members
    if population.users:
        members = members_in(population.users, matches, plan)
        shared = overlaps_of(members, list(plan.rules))
    else:
        matches = keep_cached(matches)
        shared = overlaps(matches, list(plan.rules))
        members = members_of(matches, plan)
    labels = {segment_id(plan, key): rule.label or key for key, rule in plan.rules.items()}
    profiles = profile_segments(
        members,
        population,
        plan.profiled,
        plan.naming,
        {name: {} for name in labels},
        labels=labels,
    )
    drawn = {"overlaps.png": draw_overlaps(shared, plan.name, settings.min_members)}
    if profiles:
        drawn["profiles.png"] = plots.draw_profiles(profiles, plan.naming, plan.name)
    table: dict[str, dict[str, str]] = {}
    for overlap in shared:
        table.setdefault(overlap.first, {})[overlap.second] = overlap.shown(settings.min_members)
    recorder.log_dict(table, "overlaps.json")
    return SegmentationResult(
        segmentation=plan.name,
        kind="rule",
        exclusive=plan.exclusive,
        members=as_frame(members, population.raw.sparkSession),
        profiles=profiles,
        figures={"rules": len(plan.rules), "users": population.size},
        document={"overlaps": table},
        pictures=drawn,
    )


def rule_matches(population: Population, plan: RuleSegmentation) -> DataFrame:
    """Returns (user_id, keys) of everybody in the population, one row per user.

    Raises JobError where the population comes without events.
    """
    if population.persons is None:
        raise JobError("Rules look at silver/events", "There are none", "Ingest events first")
    people = People(population.raw, population.persons, aware(population.as_of))
    return fulfilled(people, {key: rule.when for key, rule in plan.rules.items()})


def members_of(matches: DataFrame, plan: RuleSegmentation) -> DataFrame:
    """Returns (user_id, segment_id, distance) of (user_id, keys); the distance is null."""
    each = matches.select("user_id", F.explode(KEYS).alias("key"))
    return each.select(
        "user_id",
        F.concat(F.lit(f"{plan.name}-"), "key").alias(SEGMENT_ID),
        F.lit(None).cast("double").alias(DISTANCE),
    )


def members_in(users: Users, matches: DataFrame, plan: RuleSegmentation) -> Members:
    """Returns the members of (user_id, keys) in memory, of the rules in their order."""
    places = {key: place for place, key in enumerate(plan.rules)}
    rows = sorted(
        (users.places[user], places[key]) for user, keys in matches.collect() for key in keys
    )
    at, segments = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return Members(users, at, segments, [segment_id(plan, key) for key in plan.rules])


def segment_id(plan: RuleSegmentation, key: str) -> str:
    """Returns the id of a rule's segment."""
    return f"{plan.name}-{key}"
