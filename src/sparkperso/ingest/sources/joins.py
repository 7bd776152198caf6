"""Second inputs of a source, whose columns stand beside those of its records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config.sources.input import JoinConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.core.errors import JobError
from sparkperso.ingest.sources.expand import type_rules, with_types
from sparkperso.ingest.sources.expressions import checked
from sparkperso.ingest.sources.files import list_files
from sparkperso.ingest.sources.places import resolve_path
from sparkperso.ingest.sources.readers import read_records
from sparkperso.platform.texts import plain_text


def read_joins(spark: SparkSession, source: SourceConfig, lake_root: str) -> dict[str, DataFrame]:
    """Returns the second inputs by name: their keys as text, and a struct of their columns.

    One row per key; rows without a whole key match nothing and are left out. Raises JobError for a
    key that stands twice, since it would multiply records, and for a row that cannot be read.
    """
    return {
        name: _read(spark, name, join, resolve_path(str(join.path), lake_root))
        for name, join in source.joins.items()
    }


def joined(records: DataFrame, source: SourceConfig, inputs: Mapping[str, DataFrame]) -> DataFrame:
    """Returns the records with a struct `<name>` of each second input, null where none matches.

    Spark chooses how to join, by the size of the second input.
    """
    for name, join in source.joins.items():
        others = inputs[name]
        keys = [checked(records, f"joins.{name}.by", one, source) for one in join.by]
        own = {f"_own_{n}": _text(records, key) for n, key in enumerate(keys)}
        records = records.withColumns(own)
        is_same = [records[f"_own_{n}"] == others[_key(name, n)] for n in range(len(keys))]
        records = records.join(others, reduce(lambda a, b: a & b, is_same), how="left")
        records = records.drop(*own, *(_key(name, n) for n in range(len(keys))))
    return records


def _key(name: str, number: int) -> str:
    return f"_{name}_key_{number}"


def _read(spark: SparkSession, name: str, join: JoinConfig, path: str) -> DataFrame:
    frames = read_records(spark, list_files(spark, path), join)
    keys = [_key(name, n) for n in range(len(join.by))]
    rows = reduce(DataFrame.unionByName, [_shaped(frame, name, join) for frame in frames])
    per_key = rows.groupBy(*keys).agg(F.count("*").alias("n"), F.min("_why").alias("why"))
    is_twice = (F.col("n") > 1) & reduce(lambda a, b: a & b, [F.col(k).isNotNull() for k in keys])
    bad = per_key.where(is_twice | F.col("why").isNotNull()).orderBy(*keys).first()
    if bad is not None and bad["why"]:
        raise JobError(
            f"Every row of '{path}' should be readable (joins.{name})",
            f"One is not: {bad['why']}",
            "Fix it, or the types of its columns",
        )
    if bad is not None:
        key = ", ".join(str(bad[one]) for one in keys)
        raise JobError(
            f"Every key of '{path}' should stand there once (joins.{name}), or records would "
            "be multiplied",
            f"'{key}' stands there {bad['n']:,} times",
            f"Leave one row of each, or add to joins.{name}.by what tells them apart",
        )
    return rows.dropna(subset=keys).drop("_why")


def _shaped(frame: DataFrame, name: str, join: JoinConfig) -> DataFrame:
    """Keys as text, a struct of columns, and `_why` a row cannot be read."""
    rows = with_types(frame, join)
    keys = [checked(rows, f"joins.{name}.by", one, join) for one in join.by.values()]
    broken = [F.when(F.expr(rule.when), rule.message) for rule in type_rules(rows, join)]
    return rows.select(
        *(_text(rows, key).alias(_key(name, n)) for n, key in enumerate(keys)),
        F.struct(*(F.col(f"`{one}`") for one in (*join.all_fields, *join.roots))).alias(name),
        F.coalesce("_malformed", *broken).alias("_why"),
    )


def _text(frame: DataFrame, value: Column) -> Column:
    """As a person would write it: 17 of one file is '17' and 17.0 of another."""
    kind = frame.select(value.alias("_value")).schema["_value"].dataType
    return F.trim(plain_text(value, kind))
