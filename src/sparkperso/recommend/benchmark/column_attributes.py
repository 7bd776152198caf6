"""Columns of users or items → attributes, `name=value`.

A user's files have any columns; what is a number, a list or a text is told by the values
themselves, since CSV has text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.platform.literals import empty_array
from sparkperso.recommend.benchmark.read_ratings import text_id

BUCKETS = 10
"""Numbers with more distinct values than this are cut into so many quantile buckets at most."""
MANY = 1000
"""Text with more distinct values than this tells users apart rather than alike."""


@dataclass(frozen=True)
class ColumnAttributes:
    """The attributes of users or items, and counts of the rows they came from."""

    frame: DataFrame
    """<id column>, attributes (growing array of `name=value`): one row per id."""
    counts: dict[str, Any]
    """n_rows, n_known (distinct ids), n_without_id, n_duplicates, left_out (column → why)."""


def describe(source: DataFrame, id_column: str, skip: tuple[str, ...] = ()) -> ColumnAttributes:
    """Returns the attributes of each id, those of repeated ids together.

    Every column but the id and `skip` is an attribute; null and empty values are none. Numbers of
    more than 10 distinct values become quantile buckets; a list gives one attribute per entry. Text
    of more than 1000 distinct values is left out, by name. One query per column.
    """
    columns = {column.lower(): column for column in source.columns}
    others = [c for low, c in columns.items() if low not in {id_column, *skip}]
    rows = source.withColumn("_id", text_id(source, columns[id_column]))
    kinds = {column: Kind.of(rows, column) for column in others}
    left_out = {c: k.left_out for c, k in kinds.items() if k.left_out}
    named = [k.tokens for k in kinds.values() if not k.left_out]
    nothing = empty_array("string")
    tokens = F.array_compact(F.concat(nothing, *named)).alias("tokens")
    by_id = rows.where(F.col("_id").isNotNull()).select("_id", tokens).groupBy("_id")
    joined = F.array_sort(F.array_distinct(F.flatten(F.collect_list("tokens"))))
    frame = by_id.agg(joined.alias("attributes")).withColumnRenamed("_id", id_column)
    return ColumnAttributes(frame, id_counts(rows, left_out))


def id_counts(rows: DataFrame, left_out: dict[str, str]) -> dict[str, Any]:
    """Returns the counts of `ColumnAttributes` of a frame with `_id`."""
    n_rows, n_ids, n_known = rows.agg(
        F.count(F.lit(1)), F.count("_id"), F.count_distinct("_id")
    ).collect()[0]
    return {
        "n_rows": n_rows,
        "n_known": n_known,
        "n_without_id": n_rows - n_ids,
        "n_duplicates": n_ids - n_known,
        "left_out": left_out,
    }


@dataclass(frozen=True)
class Kind:
    """How the values of one column become attributes."""

    tokens: Column
    """Array of `name=value` of each row."""
    left_out: str | None = None
    """Why the column is not used, where it is not."""

    @classmethod
    def of(cls, rows: DataFrame, name: str) -> Kind:
        """Returns the kind that a column's type and values have: numbers in buckets, lists, text.

        Maps, structs and bytes are left out.
        """
        column, kind = F.col(f"`{name}`"), rows.schema[name].dataType
        if isinstance(kind, T.ArrayType):
            texts = F.array_compact(F.transform(column.cast("array<string>"), _filled))
            tokens = F.transform(texts, lambda text: F.concat(F.lit(f"{name}="), text))
            return cls(F.coalesce(tokens, empty_array("string")))
        if isinstance(kind, (T.MapType, T.StructType, T.BinaryType, T.VariantType)):
            return cls(F.array(), f"{kind.simpleString()} is not text, a number or a list")
        text, number = _filled(column.cast("string")), column.try_cast("double")
        n_text, n_kinds, n_numbers = rows.agg(
            F.count(text), F.approx_count_distinct(text), F.count(number)
        ).collect()[0]
        # All that is filled is a number: few distinct ones are names, such as codes of regions.
        if n_text == n_numbers and n_kinds > BUCKETS:
            return cls(_single(name, quantile_bucket(rows, number)))
        if n_kinds > MANY:
            return cls(F.array(), f"about {n_kinds:,} distinct texts")
        return cls(_single(name, text))


def quantile_bucket(rows: DataFrame, number: Column) -> Column:
    """Returns the bucket, '0' to '9' at most, that a number lies in; null for null and NaN."""
    shares = [n / BUCKETS for n in range(1, BUCKETS)]
    quantiles = rows.agg(F.percentile_approx(number, shares, 10_000)).collect()[0][0]
    edges = sorted({float(edge) for edge in quantiles or ()})
    above = [F.when(number > edge, 1).otherwise(0) for edge in edges]
    bucket = sum(above, F.lit(0)).cast("string")
    return F.when(number.isNotNull() & ~F.isnan(number), bucket)


def _filled(text: Column) -> Column:
    return F.nullif(F.trim(text), F.lit(""))


def _single(name: str, text: Column) -> Column:
    return F.array(F.concat(F.lit(f"{name}="), text))
