"""Records → classified records: refused, rejected with reasons, or valid events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config.ingest import IngestConfig
from sparkperso.config.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.ingest.files import SourceFile
from sparkperso.ingest.mapping import map_columns
from sparkperso.ingest.readers import read_records
from sparkperso.ingest.rules import bind_rules, plan_rules, reasons, recoverable
from sparkperso.ingest.standardise import standardise_events
from sparkperso.ingest.times import choose_formats

CLASSIFIED = (
    "payload",
    "record_id",
    "source_file",
    "is_refused",
    "is_rejected",
    "reasons",
    "recoverable",
)
EVENT = (
    "event_id",
    "user_id",
    "anonymous_id",
    "session_id",
    "timestamp",
    "event_type",
    "channel",
    "item_id",
    "value",
    "currency",
    "context",
    "metadata",
    "schema_version",
    "event_date",
    "event_key",
)


@dataclass(frozen=True)
class Rulebook:
    """All that decides what becomes of a record."""

    source: SourceConfig
    plan: TrackingPlan
    config: IngestConfig


def classify_files(
    spark: SparkSession, files: Sequence[SourceFile], book: Rulebook, received_at: datetime
) -> DataFrame:
    """Returns one row per record of `files`: CLASSIFIED, and EVENT where the record is valid.

    A refused record keeps nothing but the fact. Each record is read, serialised and hashed once.
    """
    frames = read_records(spark, files, book.source)
    return reduce(
        DataFrame.unionByName, [classify_records(frame, book, received_at) for frame in frames]
    )


def classify_records(records: DataFrame, book: Rulebook, received_at: datetime) -> DataFrame:
    """Returns records of one shape classified; see `classify_files`."""
    source, config = book.source, book.config
    mapped, own_rules = map_columns(records, source)
    formats = choose_formats(mapped.select("timestamp"), source.time_formats)
    events = standardise_events(mapped, source, formats, config.country_aliases)
    events = events.withColumns(
        {
            "payload_bytes": F.octet_length("_payload"),
            "received_at": F.lit(received_at),
            "historical": F.lit(source.historical),
            "max_future_minutes": F.lit(config.max_future_minutes),
            "max_age_days": F.lit(config.max_age_days),
            "max_payload_bytes": F.lit(config.max_payload_bytes),
            "max_metadata_entries": F.lit(config.max_metadata_entries),
        }
    )
    rules = [*bind_rules(config.rules, "_rule"), *own_rules, *plan_rules(book.plan)]
    checked = events.select(
        "*", reasons(rules).alias("reasons"), recoverable(rules).alias("recoverable")
    )
    return _result(checked)


def _result(checked: DataFrame) -> DataFrame:
    kept, valid = ~F.col("_refused"), ~F.col("_refused") & F.col("reasons").isNull()
    event_id = F.coalesce("event_id", "_record_id")
    events = checked.withColumns(
        {
            "event_id": event_id,
            "event_date": F.to_date("timestamp"),
            "event_key": F.xxhash64(event_id),
        }
    )
    return events.select(
        F.when(kept, F.col("_payload")).alias("payload"),
        F.when(kept, F.col("_record_id")).alias("record_id"),
        F.col("_file").alias("source_file"),
        F.col("_refused").alias("is_refused"),
        (kept & F.col("reasons").isNotNull()).alias("is_rejected"),
        F.when(kept, F.col("reasons")).alias("reasons"),
        "recoverable",
        *(F.when(valid, F.col(name)).alias(name) for name in EVENT),
    )
