"""The first records of a source as a run would take them in: mapped, or rejected and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import Settings
from sparkperso.config.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.config.transactions import as_events
from sparkperso.core.event import EVENT_FIELDS
from sparkperso.ingest.classify import IngestRules, classify_files
from sparkperso.ingest.sources.expressions import checked
from sparkperso.ingest.sources.files import list_files
from sparkperso.ingest.sources.joins import read_joins
from sparkperso.ingest.sources.mapping import work_out
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.ingest.sources.readers import read_records
from sparkperso.pipeline.runner import logged_session
from sparkperso.platform.session import settled
from sparkperso.privacy import load_keys

SHOWN = 5


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
        if source.kind in ("items", "users"):
            yield f"the first {source.kind}:"
            yield from _facts(spark, settings, source, place)
        else:
            yield from _events(spark, settings, as_events(source), plan, place)


def _events(
    spark: SparkSession, settings: Settings, source: SourceConfig, plan: TrackingPlan, place: str
) -> Iterator[str]:
    rules = IngestRules(
        source,
        plan,
        settings.ingest,
        lambda: load_keys(settings.privacy, settings.env, os.environ),
        read_joins(spark, source, settings.lake.root),
    )
    now = datetime.now(timezone.utc)
    records = classify_files(spark, list_files(spark, place), rules, now)
    is_valid = ~F.col("is_refused") & ~F.col("is_rejected")
    event = F.to_json(F.struct(*EVENT_FIELDS[1:])).alias("event")
    yield "the first events:"
    yield from (f"  {row['event']}" for row in records.where(is_valid).select(event).take(SHOWN))
    why = F.array_join("reasons.message", "; ").alias("why")
    rejected = records.where("is_rejected").select(why, "payload").take(SHOWN)
    if rejected:
        yield "the first that would be rejected:"
    for row in rejected:
        yield f"  {row['why']}"
        yield f"    {row['payload']}"


def _facts(
    spark: SparkSession, settings: Settings, source: SourceConfig, place: str
) -> Iterator[str]:
    """Items and users, as their columns come to."""
    inputs = read_joins(spark, source, settings.lake.root)
    frames = read_records(spark, list_files(spark, place), source)
    rows = reduce(DataFrame.unionByName, [_mapped(frame, source, inputs) for frame in frames])
    yield from (f"  {row['fact']}" for row in rows.take(SHOWN))


def _mapped(records: DataFrame, source: SourceConfig, inputs: dict[str, DataFrame]) -> DataFrame:
    worked_out, _ = work_out(records, source, inputs)
    columns = [
        checked(worked_out, name, expression, source).cast("string").alias(name)
        for name, expression in source.columns.items()
    ]
    return worked_out.where("_malformed IS NULL").select(
        F.to_json(F.struct(*columns)).alias("fact")
    )
