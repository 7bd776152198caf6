"""Records → classified records: refused, rejected with reasons, or valid events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config.ingest import IngestConfig
from sparkperso.config.sources.input import POSITION
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.consent import DEFAULT_PURPOSE
from sparkperso.core.errors import JobError
from sparkperso.core.event import EVENT_FIELDS
from sparkperso.ingest.key_lists import NUMBER
from sparkperso.ingest.personal import COLUMNS, may_be_personal, with_pseudonyms
from sparkperso.ingest.rules import bind_rules, plan_rules, reasons, recoverable
from sparkperso.ingest.sources.files import SourceFile
from sparkperso.ingest.sources.mapping import ARRIVED, NOTED, map_columns
from sparkperso.ingest.sources.readers import read_records
from sparkperso.ingest.standardise import standardise_events
from sparkperso.ingest.times import choose_formats, event_time
from sparkperso.platform.literals import instant
from sparkperso.privacy.keys import Keys

SITE = "site:"


@dataclass(frozen=True)
class IngestRules:
    """All that decides what becomes of a record."""

    source: SourceConfig
    plan: TrackingPlan
    config: IngestConfig
    load_keys: Callable[[], Keys] | None = None
    """Gives the keys of pseudonyms, for records that may hold something personal."""
    inputs: Mapping[str, DataFrame] = field(default_factory=dict)
    """The second inputs of the source, by name (`joins.read_joins`)."""


def classify_files(
    spark: SparkSession, files: Sequence[SourceFile], book: IngestRules, received_at: datetime
) -> DataFrame:
    """Returns one row per record of `files`: what became of it, and the fields of its event.

    Columns: is_refused, is_rejected, reasons, recoverable; payload, record_id, source_file,
    received_at; those of silver/events; `collected` (what the collector noted) and `effective_at`
    (when decisions are compared with it: on arrival there, else the event's time); record_number,
    unique. Of a source with `explode` there is a row per element, with its `position`; the payload
    stands in the first of a record and in rejected ones. Each record is read, serialised and hashed
    once. The source of what a collector took is its site: an event that comes by the spool and by
    Kafka is one.
    """
    frames = read_records(spark, files, book.source)
    parts = [classify_records(frame, book, received_at) for frame in frames]
    return reduce(DataFrame.unionByName, parts).withColumn(NUMBER, F.monotonically_increasing_id())


def classify_records(
    records: DataFrame,
    book: IngestRules,
    received_at: datetime | Column,
    *,
    keeps_ids: bool = False,
) -> DataFrame:
    """Returns records of one shape classified; see `classify_files`.

    Personal values are pseudonyms in all that comes out. `keeps_ids` is for records whose
    record_id was given before.
    """
    source, config = book.source, book.config
    now = instant(received_at) if isinstance(received_at, datetime) else received_at
    mapped, own_rules = map_columns(records, source, book.inputs)
    formats = choose_formats(mapped.select("timestamp"), source.time_formats)
    events = standardise_events(mapped, source, formats, config.country_aliases)
    events = events.withColumns(
        {
            "payload_bytes": F.octet_length("_payload"),
            "received_at": F.coalesce(_arrival(mapped), now),
            "effective_at": F.coalesce(_arrival(mapped), "timestamp", now),
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
    columns = records.schema["_payload"].metadata.get(COLUMNS)
    if may_be_personal(source, book.plan, columns):
        checked = with_pseudonyms(checked, source, book.plan, _keys(book), keeps_ids=keeps_ids)
    return _result(checked, book)


def _keys(book: IngestRules) -> Keys:
    if book.load_keys is None:
        raise JobError("Records that may hold something personal need the keys of pseudonyms")
    return book.load_keys()


def _arrival(mapped: DataFrame) -> Column:
    """When the collector says that it took the record; null where it does not say."""
    return event_time(F.col(ARRIVED), mapped.schema[ARRIVED].dataType, "UTC")


def _result(checked: DataFrame, book: IngestRules) -> DataFrame:
    """A refused record keeps nothing. event_id stays null where the record's hash stands for it."""
    columns = {
        "payload": F.col("_payload"),
        "record_id": F.col("_record_id"),
        "source_file": F.col("_file"),
        "is_rejected": F.col("reasons").isNotNull(),
        **{name: F.col(name) for name in ("received_at", "reasons", "recoverable", *EVENT_FIELDS)},
        "source": F.coalesce(F.concat(F.lit(SITE), F.col(NOTED).site), F.lit(book.source.name)),
        "event_date": F.to_date("timestamp"),
        "event_key": F.xxhash64(F.coalesce("event_id", "_record_id")),
        "collected": _collected(book),
        "effective_at": F.col("effective_at"),
    }
    if book.source.explode:
        # A record is kept once: by its first element, and by those that are rejected.
        is_kept = F.coalesce(F.col(POSITION) == 0, F.lit(True)) | columns["is_rejected"]
        columns |= {"payload": F.when(is_kept, columns["payload"]), POSITION: F.col(POSITION)}
    if book.source.needs_consent:
        columns = {name: F.when(~F.col("_refused"), value) for name, value in columns.items()}
    return checked.select(
        F.col("_refused").alias("is_refused"),
        *(value.alias(name) for name, value in columns.items()),
    )


def _collected(book: IngestRules) -> Column:
    """What consent is judged by: as the collector noted it, else as source and plan say.

    The basis is null for records that cannot be read.
    """
    noted = F.col(NOTED)
    basis = F.coalesce(noted.basis, F.lit(book.source.basis))
    return F.struct(
        noted.site.alias("site"),
        F.when(~F.col("is_malformed"), basis).alias("basis"),
        F.coalesce(noted.purpose, _purpose(book.plan)).alias("purpose"),
        F.coalesce(noted.region, "context.country").alias("region"),
        F.coalesce(noted.opted_out.try_cast("boolean"), F.lit(False)).alias("opted_out"),
    )


def _purpose(plan: TrackingPlan) -> Column:
    """`TrackingPlan.purpose_of` as a Column."""
    purpose = F.lit(DEFAULT_PURPOSE)
    for name in plan.event_types:
        if plan.purpose_of(name) != DEFAULT_PURPOSE:
            is_type = F.col("event_type").eqNullSafe(name)
            purpose = F.when(is_type, plan.purpose_of(name)).otherwise(purpose)
    return purpose


def valid_events(classified: DataFrame) -> DataFrame:
    """Returns the records that are valid events."""
    valid = classified.where(~F.col("is_refused") & ~F.col("is_rejected"))
    return valid.withColumn("event_id", F.coalesce("event_id", "record_id"))
