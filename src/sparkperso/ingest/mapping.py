"""Maps a source's columns onto the fields of an event, by the expressions of its file."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.source import CONSENT, SourceConfig
from sparkperso.errors import ConfigError
from sparkperso.event import CONTEXT_FIELDS, EVENT_FIELDS
from sparkperso.ingest.rules import Rule, bind_rules

KEPT = ("_payload", "_record_id", "_file", "_malformed")
REFUSED = "_refused"


def map_columns(records: DataFrame, source: SourceConfig) -> tuple[DataFrame, list[Rule]]:
    """Returns the records with one column per event field as sent, and the source's own rules.

    Beside KEPT and the fields there are `_refused` (no consent) and one condition per rule.
    Raises ConfigError naming the expression that Spark cannot make sense of.
    """
    records = _with_nulls(records, source)
    for name, expression in source.let.items():
        records = records.withColumn(name, _checked(records, name, expression, source))
    rules = bind_rules(source.rules, "_source_rule")
    for rule in rules:
        _checked(records, f"rule '{rule.config.message}'", rule.config.when, source)
    return records.select(
        *KEPT,
        _refused(records, source).alias(REFUSED),
        *(_field(records, source, name).alias(name) for name in EVENT_FIELDS),
        *(column for rule in rules for column in rule.columns()),
    ), [rule.bound() for rule in rules]


def _with_nulls(records: DataFrame, source: SourceConfig) -> DataFrame:
    """Texts that stand for null become null, once for all expressions."""
    names = [*source.fields, *source.optional_fields]
    texts = [n for n in names if isinstance(records.schema[n].dataType, T.StringType)]
    return records.withColumns({name: _text_or_null(name, source) for name in texts})


def _text_or_null(name: str, source: SourceConfig) -> Column:
    text = F.col(f"`{name}`")
    return F.when(~F.trim(text).isin(list(source.null_values)), text)


def _refused(records: DataFrame, source: SourceConfig) -> Column:
    if not source.needs_consent:
        return F.lit(False)
    given = _checked(records, CONSENT, source.columns[CONSENT], source)
    return ~F.coalesce(given.try_cast("boolean"), F.lit(False))


def _field(records: DataFrame, source: SourceConfig, name: str) -> Column:
    """The expression of a field, or the struct or map of the expressions of its parts."""
    if name in source.columns:
        return _checked(records, name, source.columns[name], source)
    parts = {
        key.partition(".")[2]: _checked(records, key, expression, source).cast("string")
        for key, expression in source.columns.items()
        if key.startswith(f"{name}.")
    }
    if name == "context":
        return _context(parts)
    if name == "metadata" and parts:
        return _metadata(parts)
    return F.lit(None).cast("string")


def _context(parts: dict[str, Column]) -> Column:
    absent = F.lit(None).cast("string")
    return F.struct(*(parts.get(name, absent).alias(name) for name in CONTEXT_FIELDS))


def _metadata(parts: dict[str, Column]) -> Column:
    """Keys without a value are left out; the filter, which is slow, runs only where there are any."""
    pairs = [item for key, value in parts.items() for item in (F.lit(key), value)]
    everything = F.create_map(*pairs)
    has_null = _any([value.isNull() for value in parts.values()])
    given = F.map_filter(everything, lambda _, value: value.isNotNull())
    return F.when(has_null, given).otherwise(everything)


def _any(conditions: Sequence[Column]) -> Column:
    found = conditions[0]
    for condition in conditions[1:]:
        found = found | condition
    return found


def _checked(records: DataFrame, name: str, expression: str, source: SourceConfig) -> Column:
    try:
        column = F.expr(expression)
        records.select(column)
    except (AnalysisException, ParseException) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"'{name}' in conf/sources/{source.name}.yaml should be a Spark SQL expression over "
            f"{', '.join((*source.fields, *source.optional_fields, *source.let))}",
            reason,
            "Mend the expression",
        ) from None
    return column
