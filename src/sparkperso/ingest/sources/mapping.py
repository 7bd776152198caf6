"""Maps a source's columns onto the fields of an event, by the expressions of its file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.sources.fields import ARRIVAL, COLLECTED, COLLECTED_FIELDS, CONSENT
from sparkperso.config.sources.input import POSITION, Lookup
from sparkperso.config.sources.source import SourceConfig
from sparkperso.core.event import CONTEXT_FIELDS, EVENT_FIELDS
from sparkperso.ingest.rules import Rule, bind_rules
from sparkperso.ingest.sources.expand import MARK, NESTED, exploded, type_rules, with_types
from sparkperso.ingest.sources.expressions import checked
from sparkperso.ingest.sources.joins import joined
from sparkperso.platform.texts import plain_text

KEPT = ("_payload", "_record_id", "_file", "_malformed")
"""`_malformed` is why a record cannot be read, null for others."""
REFUSED = "_refused"
ARRIVED = "_received_at"
NOTED = "_collected"
AT = "_at"
"""A time of arrival that a reader may give, for records that do not say theirs."""


def map_columns(
    records: DataFrame, source: SourceConfig, inputs: Mapping[str, DataFrame]
) -> tuple[DataFrame, list[Rule]]:
    """Returns the records with one column per event field as sent, and the source's own rules.

    Beside KEPT and the fields there are `_refused` (no consent), `_received_at` as sent, what the
    collector noted (`_collected`) and one condition per rule. A source with `explode` gives a row
    per element, and its `position`. `inputs` are those of `joins.read_joins`.
    Raises ConfigError naming the expression that Spark cannot make sense of.
    """
    records, rules = work_out(records, source, inputs)
    parts = {group: _parts(records, source, group) for group in ("context", "metadata")}
    mapped = records.select(
        *KEPT,
        *(name for name in records.columns if name == AT),
        *((POSITION,) if source.explode else ()),
        _refused(records, source).alias(REFUSED),
        _field(records, source, ARRIVAL).alias(ARRIVED),
        _noted(records, source).alias(NOTED),
        _event_id(records, source).alias("event_id"),
        *(_field(records, source, name).alias(name) for name in EVENT_FIELDS[1:]),
        *(value.alias(f"_{key}") for group in parts.values() for key, value in group.items()),
        *(column for rule in rules for column in rule.columns()),
    )
    return _assembled(mapped, parts), [rule.bound() for rule in rules]


def work_out(
    records: DataFrame, source: SourceConfig, inputs: Mapping[str, DataFrame]
) -> tuple[DataFrame, list[Rule]]:
    """Returns the records with all that the mapping may name, and the source's own rules."""
    records = with_types(records, source)
    configs = (*type_rules(records, source), *source.rules)
    records = joined(exploded(records, source), source, inputs)
    for name, expression in source.let.items():
        records = records.withColumn(name, checked(records, name, expression, source))
    for name, lookup in source.lookups.items():
        records = _looked_up(records, name, lookup, source)
    rules = bind_rules(configs, "_source_rule")
    for rule in rules:
        checked(records, f"rule '{rule.config.message}'", rule.config.when, source)
    return records, rules


def _event_id(records: DataFrame, source: SourceConfig) -> Column:
    """An id of the whole record is no id of its elements: their positions tell them apart."""
    sent = _field(records, source, "event_id")
    words = source.names_in(source.columns.get("event_id", ""))
    if not source.explode or not words.isdisjoint({source.explode.name, POSITION}):
        return sent
    with_position = F.concat_ws(MARK, sent, POSITION)
    return F.when(sent.isNotNull(), with_position) if words else sent


def _looked_up(records: DataFrame, name: str, lookup: Lookup, source: SourceConfig) -> DataFrame:
    """Joins the value of every distinct key, worked out once for each."""
    keys = records.select(checked(records, name, lookup.of, source).alias("_key")).distinct()
    keys = keys.withColumn(lookup.of, F.col("_key"))
    values = keys.select("_key", checked(keys, name, lookup.value, source).alias(name))
    is_same = records[lookup.of].eqNullSafe(values["_key"])
    return records.join(F.broadcast(values), is_same, "left").drop("_key")


def _assembled(mapped: DataFrame, parts: dict[str, dict[str, Column]]) -> DataFrame:
    """Puts the parts, which are columns by now, into the struct and the map."""
    if parts["context"]:
        mapped = mapped.withColumn("context", _context(parts["context"]))
    if parts["metadata"]:
        mapped = mapped.withColumn("metadata", _metadata(list(parts["metadata"])))
    return mapped.drop(*(f"`_{key}`" for group in parts.values() for key in group))


def _parts(records: DataFrame, source: SourceConfig, group: str) -> dict[str, Column]:
    return {
        key: _as_text(records, checked(records, key, expression, source))
        for key, expression in source.columns.items()
        if key.startswith(f"{group}.")
    }


def _as_text(records: DataFrame, value: Column) -> Column:
    kind = records.select(value.alias("_value")).schema["_value"].dataType
    return F.to_json(value) if isinstance(kind, NESTED) else plain_text(value, kind)


def _refused(records: DataFrame, source: SourceConfig) -> Column:
    if not source.needs_consent:
        return F.lit(False)
    given = checked(records, CONSENT, source.columns[CONSENT], source)
    return ~F.coalesce(given.try_cast("boolean"), F.lit(False))


def _field(records: DataFrame, source: SourceConfig, name: str) -> Column:
    if name not in source.columns:
        return F.lit(None).cast("string")
    return checked(records, name, source.columns[name], source)


def _noted(records: DataFrame, source: SourceConfig) -> Column:
    """What the collector noted on taking the record, as texts; null parts where it did not."""
    return F.struct(
        *(
            _field(records, source, f"{COLLECTED}.{name}").cast("string").alias(name)
            for name in COLLECTED_FIELDS
        )
    )


def _context(parts: Collection[str]) -> Column:
    absent = F.lit(None).cast("string")
    values = {name: f"context.{name}" for name in CONTEXT_FIELDS}
    return F.struct(
        *(
            (F.col(f"`_{key}`") if key in parts else absent).alias(name)
            for name, key in values.items()
        )
    )


def _metadata(parts: Sequence[str]) -> Column:
    """Keys without a value are left out; the filter, which is slow, runs only where there are."""
    values = {key.removeprefix("metadata."): F.col(f"`_{key}`") for key in parts}
    everything = F.create_map(
        *(part for key, value in values.items() for part in (F.lit(key), value))
    )
    has_null = reduce(lambda a, b: a | b, [value.isNull() for value in values.values()])
    given = F.map_filter(everything, lambda _, value: value.isNotNull())
    return F.when(has_null, given).otherwise(everything)
