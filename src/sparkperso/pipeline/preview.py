"""The first records of a source as a run would take them in: mapped, or rejected and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkperso.config import Settings
from sparkperso.config.sources.facts import KEYS, facts_as_events, plan_of_facts, rules_of_facts
from sparkperso.config.sources.fields import Kind
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.sources.transactions import as_events
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.event import EVENT_FIELDS
from sparkperso.ingest.classify import IngestRules, classify_files, valid_events
from sparkperso.ingest.declared import declared_items, declared_users
from sparkperso.ingest.load import ACTS
from sparkperso.ingest.sources.files import list_files
from sparkperso.ingest.sources.joins import read_joins
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.pipeline.runner import logged_session
from sparkperso.platform.session import settled
from sparkperso.privacy import load_keys

SHOWN = 5
LOOKED_AT = 1000
"""Records of items and users that are put together by key."""


def preview(
    settings: Settings, source: SourceConfig, plan: TrackingPlan, place: str, debug: bool
) -> Iterator[str]:
    """Yields lines on the first records of the files at a place, worked out by Spark.

    A mapped record is one line of JSON without its nulls, personal values as pseudonyms; a rejected
    one stands with its reasons. Nothing is written. Raises what an ingest would.
    """
    folder = settings.logging.folder
    with (
        logged_session(settings, "sources-check", folder, debug) as (spark, _),
        settled(spark, settings),
        unreadable_files_named(),
    ):
        yield from preview_lines(spark, rules_of(spark, settings, source, plan), source.kind, place)


def rules_of(
    spark: SparkSession, settings: Settings, source: SourceConfig, plan: TrackingPlan
) -> IngestRules:
    """Returns what decides on the records of a source, of whatever kind."""
    are_facts = source.kind in KEYS
    return IngestRules(
        facts_as_events(source) if are_facts else as_events(source),
        plan_of_facts(source, plan) if are_facts else plan,
        rules_of_facts(source, settings.ingest) if are_facts else settings.ingest,
        lambda: load_keys(settings.privacy, settings.env, os.environ),
        read_joins(spark, source, settings.lake.root),
    )


def preview_lines(spark: SparkSession, rules: IngestRules, kind: Kind, place: str) -> Iterator[str]:
    """Yields the first records at a place as rules of a source make them, in a session."""
    files = list_files(spark, place)
    records = classify_files(spark, files, rules, datetime.now(timezone.utc))
    valid = valid_events(records)
    if kind in ACTS:
        rows_of, _ = ACTS[kind]
        rows = rows_of(valid)
    elif kind in ("items", "users"):
        declared = declared_items if kind == "items" else declared_users
        rows = declared(valid.limit(LOOKED_AT), files)
    else:
        kind, rows = "events", valid.select(*EVENT_FIELDS[1:])
    yield f"the first {kind}:"
    shown = rows.select(F.to_json(F.struct(*rows.columns)).alias("row")).take(SHOWN)
    yield from (f"  {row['row']}" for row in shown)
    why = F.array_join("reasons.message", "; ").alias("why")
    rejected = records.where("is_rejected").select(why, "payload").take(SHOWN)
    if rejected:
        yield "the first that would be rejected:"
    for row in rejected:
        yield f"  {row['why']}"
        yield f"    {row['payload']}"
