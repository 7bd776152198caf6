"""Small frames of silver/events and other tables, with defaults for what a test leaves out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.schemas import TABLES

CONTEXT_FIELDS = (
    "device_type",
    "os",
    "country",
    "region",
    "page_url",
    "referrer",
    "campaign",
)
RECEIVED_AT = datetime(2030, 1, 1, tzinfo=timezone.utc)


def events_frame(spark: SparkSession, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Returns rows of silver/events; each row names only the fields that it is about.

    `timestamp` is a datetime (naive is UTC) or ISO 8601 text. Fields of the context may stand
    in `context` or beside the other fields; metadata values become text. A missing event_id is a
    hash of the row and of how often the same row came before it.
    """
    seen: Counter[str] = Counter()
    filled = [_event(row, seen) for row in rows]
    frame = table_frame(spark, "silver/events", filled)
    return frame.withColumn("event_key", F.xxhash64("event_id"))


def table_frame(
    spark: SparkSession, table: str, rows: Iterable[Mapping[str, Any]], **defaults: Any
) -> DataFrame:
    """Returns rows of any table in its written schema; a column left out is `defaults`' or null.

    A naive datetime is UTC. Raises KeyError for a column that the table does not have.
    """
    spec = TABLES[table]
    filled = [{**defaults, **row} for row in rows]
    unknown = {name for row in filled for name in row} - set(spec.column_names)
    if unknown:
        raise KeyError(f"{table} has no column {sorted(unknown)}")
    values = [tuple(_value(row.get(name)) for name in spec.column_names) for row in filled]
    return spark.createDataFrame(values, spec.struct())


def utc(when: datetime | str) -> datetime:
    """Returns a time as an aware UTC datetime; one without offset is taken as UTC.

    >>> utc("2026-03-01T12:00:00Z") == utc(datetime(2026, 3, 1, 12))
    True
    """
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when


def _value(value: Any) -> Any:
    return utc(value) if isinstance(value, datetime) else value


def _event(row: Mapping[str, Any], seen: Counter[str]) -> dict[str, Any]:
    row = dict(row)
    text = json.dumps(row, sort_keys=True, default=str)
    seen[text] += 1
    context = {**dict.fromkeys(CONTEXT_FIELDS), **(row.pop("context", None) or {})}
    context |= {name: row.pop(name) for name in CONTEXT_FIELDS if name in row}
    metadata = {key: str(value) for key, value in (row.pop("metadata", None) or {}).items()}
    when = utc(row.pop("timestamp"))
    derived = {
        "event_id": hashlib.sha256(f"{text}#{seen[text]}".encode()).hexdigest(),
        "timestamp": when,
        "event_date": when.astimezone(timezone.utc).date(),
        "context": tuple(context[name] for name in CONTEXT_FIELDS),
        "metadata": metadata,
    }
    defaults = {
        "event_type": "page_view",
        "received_at": RECEIVED_AT,
        "channel": "web",
        "schema_version": 1,
        "event_key": 0,
        "ingest_batch": "test",
    }
    return {**defaults, **derived, **row}
