"""The items of a split by position, with the attributes and texts that --items has of them."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.core.columns import CATEGORY, ITEM_ID
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import empty_array
from sparkperso.recommend.benchmark.column_attributes import describe
from sparkperso.recommend.benchmark.read_ratings import require_columns, text_id
from sparkperso.recommend.data.id_index import new_index_rows

SCHEMA = (
    f"{ITEM_ID} string, title string, tags array<string>, {CATEGORY} string, price double, "
    "attributes map<string,string>"
)
KNOWN = ("title", CATEGORY, "price", "tags")


def number_items(items: DataFrame) -> DataFrame:
    """Returns item_id, item_index: positions in order of id; kept in memory."""
    spark = items.sparkSession
    nobody = spark.createDataFrame([], f"{ITEM_ID} string, item_index int")
    return keep_cached(new_index_rows(nobody, items, ITEM_ID, "item_index"))


def read_items(source: DataFrame | None, like: DataFrame) -> tuple[DataFrame, dict[str, Any]]:
    """Returns items as user_histories.load_catalogue takes them, and counts of the rows.

    One row per item. Every column of `source` but title, category, price and tags is an attribute,
    and a word of the item's text; a long text (more than 1000 distinct ones) is text as it stands.
    Without a source there are no items; `like` is any frame of the session. Raises JobError
    without item_id.
    """
    if source is None:
        return like.sparkSession.createDataFrame([], SCHEMA), {}
    require_columns(source, (ITEM_ID,), "--items")
    described = describe(source, ITEM_ID, KNOWN)
    texts = describe_texts(source, list(described.counts["left_out"]))
    both = described.frame.join(texts, ITEM_ID, how="left")
    words = F.transform("attributes", _word)
    tags = F.concat(F.coalesce("tags", empty_array("string")), words)
    pairs = F.transform("attributes", lambda token: F.split(token, "=", 2))
    named = F.map_from_entries(
        F.transform(_once(pairs), lambda pair: F.struct(pair[0].alias("k"), pair[1].alias("v")))
    )
    rows = both.select(
        ITEM_ID, "title", tags.alias("tags"), CATEGORY, "price", named.alias("attributes")
    )
    counts = dict(described.counts)
    return rows, {**counts, "as_text": counts.pop("left_out")}


def describe_texts(source: DataFrame, longer: list[str]) -> DataFrame:
    """Returns item_id, title (with the `longer` columns), tags, category, price.

    One row per item; of repeated ones the first in order of their values.
    """
    own = {column.lower(): column for column in source.columns}
    titles = [own[name] for name in ("title",) if name in own] + longer
    texts = [F.col(f"`{name}`").cast("string") for name in titles]
    rows = source.select(
        text_id(source, own[ITEM_ID]).alias(ITEM_ID),
        F.concat_ws(" ", *texts).alias("title"),
        _tags(source, own).alias("tags"),
        _optional(own, CATEGORY, "string"),
        _optional(own, "price", "double"),
    )
    first = F.min(F.struct("title", "tags", CATEGORY, "price")).alias("first")
    return rows.groupBy(ITEM_ID).agg(first).select(ITEM_ID, "first.*")


def _tags(source: DataFrame, own: dict[str, str]) -> Column:
    nothing = empty_array("string")
    if "tags" not in own:
        return nothing
    column = F.col(f"`{own['tags']}`")
    if isinstance(source.schema[own["tags"]].dataType, T.ArrayType):
        return F.coalesce(column.cast("array<string>"), nothing)
    return F.array_compact(F.array(column.cast("string")))


def _optional(own: dict[str, str], name: str, kind: str) -> Column:
    column = F.col(f"`{own[name]}`").try_cast(kind) if name in own else F.lit(None).cast(kind)
    return column.alias(name)


def _word(token: Column) -> Column:
    """Returns `name=value` as one word, which no splitting of texts takes apart."""
    return F.regexp_replace(F.lower(token), r"[^\p{L}\p{M}\p{N}]+", "_")


def _once(pairs: Column) -> Column:
    """Returns the pairs whose name is not that of an earlier one: a map has each name once."""
    names = F.transform(pairs, lambda pair: pair[0])
    return F.filter(pairs, lambda pair, n: F.array_position(names, pair[0]) == n + 1)
