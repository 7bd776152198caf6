"""Columns as expressions see them: nulls, types, paths, the elements of a list.

A list is taken apart into one row per element. A row's `_record_id` is that of its record, with `#`
and the element's position after it, from 0: the same each time, whatever else the record holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.ingest import RuleConfig
from sparkperso.config.sources.input import POSITION, InputConfig, MappedInput
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import ConfigError
from sparkperso.ingest.sources.expressions import checked

RECORD_ID = "_record_id"
MARK = "#"
"""Stands between the id of a record and the position of an element of it."""
NESTED = (T.ArrayType, T.MapType, T.StructType)


def with_types(records: DataFrame, source: InputConfig) -> DataFrame:
    """Returns records whose texts are null or of the types that the source gives them.

    What was text before stands in `_text_<column>`, for `type_rules`. Paths such as `device.os` are
    a struct `device` besides. Raises ConfigError for a type that Spark does not know.
    """
    texts = [n for n in source.all_fields if isinstance(records.schema[n].dataType, T.StringType)]
    records = records.withColumns({name: _text_or_null(name, source) for name in texts})
    for name, ddl in source.types.items():
        kind = _type(name, ddl, source)
        if name in texts:
            text = F.col(f"`{name}`")
            records = records.withColumns({f"_text_{name}": text, name: _read(text, kind)})
        elif not isinstance(records.schema[name].dataType, NESTED):
            records = records.withColumn(name, F.col(f"`{name}`").try_cast(kind))
    return records.withColumns({root: _struct(root, source.all_fields) for root in source.roots})


def type_rules(records: DataFrame, source: InputConfig) -> list[RuleConfig]:
    """Returns the rules that reject records of which a text could not be read as its type."""
    return [
        RuleConfig(
            code="wrong_type",
            when=f"`_text_{name}` IS NOT NULL AND `{name}` IS NULL",
            message=f"{name} cannot be read as {ddl} (types)",
            shows=f"`_text_{name}`",
        )
        for name, ddl in source.types.items()
        if f"_text_{name}" in records.columns
    ]


def exploded(records: DataFrame, source: MappedInput) -> DataFrame:
    """Returns one row per element of the source's list, and one of a record without any.

    Adds the element under its name, and `position` (int, from 0; null without an element). Of a
    record whose id is already that of an element, as quarantine has it, only that one comes back.
    """
    explode = source.explode
    if explode is None:
        return records
    elements = checked(records, "explode.of", explode.of, source)
    kind = records.select(elements.alias("_list")).schema["_list"].dataType
    if not isinstance(kind, T.ArrayType):
        raise ConfigError(
            f"'explode.of' in conf/sources/{source.name}.yaml should be an array",
            f"'{explode.of}' is {kind.simpleString()}",
            f"Give it one under 'types', such as {explode.of}: array<struct<item_id:string>>",
        )
    rows = records.select("*", F.posexplode_outer(elements).alias(POSITION, explode.name))
    parts = F.split(RECORD_ID, MARK)
    wanted = F.try_element_at(parts, F.lit(2)).try_cast("int")
    rows = rows.where(wanted.isNull() | wanted.eqNullSafe(F.col(POSITION)))
    own = F.concat_ws(MARK, parts[0], POSITION)
    return rows.withColumn(RECORD_ID, F.when(F.col(POSITION).isNull(), parts[0]).otherwise(own))


def record_of(record_id: Column) -> Column:
    """Returns the id of the record that an element came from; of a record, its own."""
    return F.split(record_id, MARK)[0]


def _text_or_null(name: str, source: InputConfig) -> Column:
    text = F.col(f"`{name}`")
    return F.when(~F.trim(text).isin(list(source.null_values)), text)


def _type(name: str, ddl: str, source: InputConfig) -> T.DataType:
    try:
        return T.DataType.fromDDL(ddl)
    except PySparkException as error:
        raise ConfigError(
            f"types.{name} in conf/sources/{source.name}.yaml should be a Spark type, such as "
            "bigint or array<struct<sku:string,price:double>>",
            f"'{ddl}': {cause_of(error)}",
            "Fix the type",
        ) from None


def _read(text: Column, kind: T.DataType) -> Column:
    if isinstance(kind, NESTED):
        return F.from_json(text, kind.simpleString() if isinstance(kind, T.MapType) else kind)
    return F.try_parse_json(text) if isinstance(kind, T.VariantType) else text.try_cast(kind)


def _struct(root: str, fields: Sequence[str]) -> Column:
    """A struct of all columns whose names lead through `root`."""
    parts = []
    for name in _next_parts(root, fields):
        path = f"{root}.{name}"
        column = F.col(f"`{path}`") if path in fields else _struct(path, fields)
        parts.append(column.alias(name))
    return F.struct(*parts)


def _next_parts(root: str, fields: Iterable[str]) -> list[str]:
    below = (name.removeprefix(f"{root}.") for name in fields if name.startswith(f"{root}."))
    return list(dict.fromkeys(rest.partition(".")[0] for rest in below))
