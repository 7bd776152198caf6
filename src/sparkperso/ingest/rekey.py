"""Pseudonyms of older keys, wherever they stand in a table, under the current key.

A table is looked through by text. Each distinct pseudonym is re-keyed once, in Python, spread over
the tasks; the rest are joins and Columns. An HMAC of Columns (sha2 over the padded key) would show
the key to whoever may see a plan: ADR 0011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.privacy import Pseudonyms
from sparkperso.privacy.keys import Keys

RENAMED = "old string, new string"
BODY = ":[a-z0-9_]{1,64}:[0-9a-f]{32}"
START, END = r"(?:(?<![a-z0-9])|(?<=\\[bfnrt]))", "(?![0-9a-f])"
"""Not within another word; a JSON escape such as \\n is none."""


def older_keys(keys: Keys) -> tuple[str, ...]:
    """Returns the ids of the keys that the current one follows, the oldest first."""
    return keys.chains[keys.current][:-1]


def pseudonyms_in(text: Column, keys: Keys) -> Column:
    """Returns the pseudonyms of older keys in a text, sorted, each once; null for none."""
    pattern = f"{START}(?:{'|'.join(older_keys(keys))}){BODY}{END}"
    found = F.sort_array(F.array_distinct(F.regexp_extract_all(text, F.lit(pattern), F.lit(0))))
    return F.when(F.size(found) > 0, found)


def new_names(found: DataFrame, keys: Keys) -> DataFrame:
    """Returns `found` and `renames` (old → new) for each distinct list in its column `found`."""
    lists = found.where(F.col("found").isNotNull()).select("found").distinct()
    each = lists.select("found", F.explode("found").alias("old"))
    new = renamed(each.select("old").distinct(), keys)
    pair = F.struct("old", "new")
    entries = F.map_from_entries(F.collect_list(pair)).alias("renames")
    return each.join(new, on="old", how="inner").groupBy("found").agg(entries)


def renamed(old: DataFrame, keys: Keys) -> DataFrame:
    """Returns old and new for pseudonyms, one row for each of the column `old`."""
    names = Pseudonyms(keys)

    def rekey(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for part in parts:
            yield part.assign(new=part["old"].map(names.rekey))

    return old.mapInPandas(rekey, RENAMED)


def under_current_key(rows: DataFrame, columns: Sequence[str], keys: Keys) -> DataFrame:
    """Returns rows whose `columns` hold no whole pseudonym of an older key any more."""
    for name in columns:
        is_old = F.col(name).rlike(f"^(?:{'|'.join(older_keys(keys))}){BODY}$")
        new = renamed(rows.select(F.col(name).alias("old")).where(is_old).distinct(), keys)
        joined = rows.join(new, F.col(name) == F.col("old"), "left")
        rows = joined.withColumn(name, F.coalesce("new", name)).drop("old", "new")
    return rows


def text_of(schema: T.StructType, alias: str) -> Column:
    """Returns all texts of the row `alias` as one, for `pseudonyms_in`."""
    return F.to_json(F.struct(*(F.col(f"{alias}.{name}") for name in text_columns(schema))))


def text_columns(schema: T.StructType) -> list[str]:
    """Returns the columns that hold text at any depth."""
    return [field.name for field in schema if _holds_text(field.dataType)]


def rewritten(value: Column, kind: T.DataType, renames: Column) -> Column:
    """Returns a value of any type with new names for old in its texts; keys of maps stay."""
    if not _holds_text(kind):
        return value
    if isinstance(kind, T.ArrayType):
        inner = kind.elementType
        return F.transform(value, lambda one: rewritten(one, inner, renames))
    if isinstance(kind, T.MapType):
        of = kind.valueType
        return F.transform_values(value, lambda _, one: rewritten(one, of, renames))
    if isinstance(kind, T.StructType):
        parts = (rewritten(value[f.name], f.dataType, renames).alias(f.name) for f in kind)
        return F.when(value.isNotNull(), F.struct(*parts))
    return F.aggregate(F.map_entries(renames), value, _replace)


def _replace(text: Column, entry: Column) -> Column:
    return F.replace(text, entry["key"], entry["value"])


def one_row_per_key(rows: DataFrame, key: Sequence[str]) -> DataFrame:
    """Returns rows without those whose key stands twice: the first by content stays.

    Two rows meet when a person was known by an old and by a new pseudonym.
    """
    content = F.to_json(F.struct(*rows.columns))
    first = F.min_by(F.struct(*rows.columns), content)
    return (
        rows.groupBy(*(F.col(name).alias(f"_{name}") for name in key))
        .agg(first.alias("_row"))
        .select("_row.*")
    )


def _holds_text(kind: T.DataType) -> bool:
    if isinstance(kind, T.ArrayType):
        return _holds_text(kind.elementType)
    if isinstance(kind, T.MapType):
        return _holds_text(kind.valueType)
    if isinstance(kind, T.StructType):
        return any(_holds_text(field.dataType) for field in kind)
    return isinstance(kind, T.StringType)
