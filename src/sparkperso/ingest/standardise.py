"""Turns the fields of an event as sent into their standard types and spellings."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.sources.input import POSITION
from sparkperso.config.sources.source import SourceConfig
from sparkperso.core.event import CONTEXT_FIELDS, SCHEMA_VERSION, TEXT_FIELDS
from sparkperso.ingest.countries import standardise_country
from sparkperso.ingest.sources.mapping import AT
from sparkperso.ingest.times import event_time
from sparkperso.platform.texts import plain_text
from sparkperso.schemas.events import CONTEXT

METADATA = "map<string,string>"
SNAKE_CASE = "^[a-z0-9]++(?:_[a-z0-9]++)*+$"
"""What `snake_case` leaves as it is, of the letters that categories mostly have."""
CARRIED = (
    "_payload",
    "_record_id",
    "_file",
    "_refused",
    "_received_at",
    "_collected",
    "is_malformed",
    "malformed_why",
)


def standardise_events(
    mapped: DataFrame,
    source: SourceConfig,
    formats: Sequence[str],
    aliases: dict[str, str],
) -> DataFrame:
    """Returns mapped records with standard event fields, each null where it cannot be read.

    `raw_timestamp`, `raw_value`, `raw_metadata` and `raw_context` hold what was sent: texts
    trimmed, null when empty; numbers and times as they are, for text of each would cost every
    record and serve the few bad ones.
    """
    kinds = {field.name: field.dataType for field in mapped.schema}
    time = F.col("timestamp")
    also = (AT, POSITION)
    extra = [name for name in mapped.columns if name in also or name.startswith("_source_rule")]
    read = mapped.withColumnRenamed("_malformed", "malformed_why")
    events = read.withColumn("is_malformed", F.col("malformed_why").isNotNull()).select(
        *CARRIED,
        *extra,
        *(_text(name, kinds[name], source).alias(name) for name in TEXT_FIELDS),
        event_time(time, kinds["timestamp"], source.time_zone, formats, source.time_unit).alias(
            "timestamp"
        ),
        _number("value", kinds["value"]).alias("value"),
        _metadata(kinds["metadata"]).alias("metadata"),
        _context(kinds["context"]).alias("context"),
        F.coalesce(F.col("schema_version").try_cast("int"), F.lit(SCHEMA_VERSION)).alias(
            "schema_version"
        ),
        *(
            _as_sent(name, kinds[name]).alias(f"raw_{name}")
            for name in ("timestamp", "value", "metadata", "context")
        ),
    )
    events = events.withColumn("country", F.col("context.country"))
    return _with_standard_context(standardise_country(events, aliases))


def snake_case(text: Column) -> Column:
    """Returns `text` in lower case with `_` for every run of other characters; null when empty."""
    words = F.regexp_replace(F.lower(text), r"[^\p{L}\p{M}\p{N}]+", "_")
    return F.nullif(F.btrim(words, F.lit("_")), F.lit(""))


def _text(name: str, kind: T.DataType, source: SourceConfig) -> Column:
    text = _filled(plain_text(F.col(name), kind))
    if name == "channel":
        return F.coalesce(F.lower(text), F.lit(source.channel))
    if name == "event_type":
        return F.lower(text)
    return F.upper(text) if name == "currency" else text


def _number(name: str, kind: T.DataType) -> Column:
    if not isinstance(kind, (T.NumericType, T.StringType)):
        return F.lit(None).cast("double")
    number = F.col(name).try_cast("double")
    finite = ~F.isnan(number) & (F.abs(number) != float("inf"))
    return F.when(finite, number)


def _metadata(kind: T.DataType) -> Column:
    """An object as text, a struct or a map; null when it is none of these, empty when absent."""
    sent = F.col("metadata")
    absent = F.from_json(F.lit("{}"), METADATA)
    if isinstance(kind, T.MapType):
        read = sent.cast(METADATA)
    elif isinstance(kind, T.StructType):
        read = F.from_json(F.to_json(sent), METADATA)
    elif isinstance(kind, T.StringType):
        read = F.when(F.ltrim(sent).startswith("{"), F.from_json(sent, METADATA))
    else:
        read = F.lit(None).cast(METADATA)
    return F.when(sent.isNull(), absent).otherwise(_with_category(read))


def _with_category(metadata: Column) -> Column:
    """Most categories are in their standard form: to see so takes half of putting them into it."""
    category = metadata["category"]
    standard = F.transform_values(
        metadata, lambda key, value: F.when(key == "category", snake_case(value)).otherwise(value)
    )
    is_odd = ~category.rlike(SNAKE_CASE) & (category != snake_case(category))
    return F.when(is_odd, standard).otherwise(metadata)


def _context(kind: T.DataType) -> Column:
    sent = F.col("context")
    absent = F.from_json(F.lit("{}"), CONTEXT)
    if isinstance(kind, T.StructType) and kind.names == list(CONTEXT_FIELDS):
        read = sent
    elif isinstance(kind, (T.StructType, T.MapType)):
        read = F.from_json(F.to_json(sent), CONTEXT)
    elif isinstance(kind, T.StringType):
        read = F.when(F.ltrim(sent).startswith("{"), F.from_json(sent, CONTEXT))
    else:
        read = F.lit(None).cast(CONTEXT)
    return F.when(sent.isNull(), absent).otherwise(read)


def _with_standard_context(events: DataFrame) -> DataFrame:
    standard = {"country": F.col("country"), "device_type": F.lower(F.trim("context.device_type"))}
    parts = [standard.get(name, F.col(f"context.{name}")) for name in CONTEXT_FIELDS]
    named = F.struct(*(part.alias(name) for part, name in zip(parts, CONTEXT_FIELDS, strict=True)))
    return events.withColumn("context", F.when(F.col("context").isNotNull(), named)).drop("country")


def _as_sent(name: str, kind: T.DataType) -> Column:
    if isinstance(kind, (T.StructType, T.MapType)):
        return F.lit(None).cast("string")
    return _filled(F.col(name)) if isinstance(kind, T.StringType) else F.col(name)


def _filled(sent: Column) -> Column:
    """Trimmed text; null when nothing is left. A `nullif` would cost the plan another step."""
    text = F.trim(sent.cast("string"))
    return F.when(text != "", text)
