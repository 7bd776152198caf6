"""What sources of items and users say, one row per key, and merged with what is known.

Of the records of a key each field is the latest that any gave: by `updated_at`, or where a record
does not say it by the time of its file; of one moment by the record's hash, so that the order is
total. A null never takes anything away, and an attribute stays until a later record gives another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.sources.facts import ATTRIBUTE, BIRTH_YEAR
from sparkperso.core.columns import ITEM_ID, USER_ID
from sparkperso.ingest.sources.files import SourceFile

ATTRIBUTES = "map<string,string>"
SEPARATOR = r"\s*[,;|]\s*"
"""Stands between tags that are written as one text."""
ITEM_FACTS = ("title", "category", "price", "tags")
SEEN = ("title", "category", "price")
"""Facts of an item that events give too."""
USER_FACTS = (BIRTH_YEAR, "country")


def declared_items(records: DataFrame, files: Sequence[SourceFile]) -> DataFrame:
    """Returns item_id, title, category, price, tags, attributes, updated_at: one row per item.

    `records` are valid records of a source of items (`config.facts`) that came from `files`. Facts
    that nobody gave are null.
    """
    is_attribute = lambda key, _: F.startswith(key, F.lit(ATTRIBUTE))  # noqa: E731
    own = F.map_filter("metadata", is_attribute)
    bare = lambda key, _: F.substring(key, len(ATTRIBUTE) + 1, 1 << 20)  # noqa: E731
    facts = {
        "title": F.col("metadata")["title"],
        "category": F.col("metadata")["category"],
        "price": F.col("value"),
        "tags": _tags(F.col("metadata")["tags"]),
    }
    return _latest(records, files, ITEM_ID, facts, F.transform_keys(own, bare))


def declared_users(records: DataFrame, files: Sequence[SourceFile]) -> DataFrame:
    """Returns user_id, birth_year, country, attributes, updated_at: one row per user."""
    year = F.col("metadata")[BIRTH_YEAR].try_cast("double").try_cast("int")
    facts = {BIRTH_YEAR: year, "country": F.col("context.country")}
    others = F.map_filter("metadata", lambda key, _: key != BIRTH_YEAR)
    return _latest(records, files, USER_ID, facts, others)


def changed_items(declared: DataFrame, known: DataFrame) -> DataFrame:
    """Returns the rows of silver/items of which `declared` says something new.

    A fact of the catalogue takes the place of one that events gave, and its time in `seen_at` is
    null from then on. A record older than the catalogue's latest of its item fills gaps alone.
    """
    both = _side_by_side(declared, known, ITEM_ID)
    is_newer = _is_newer()
    values, seen = {}, {}
    for name in SEEN:
        # What an event gave is no word of the catalogue, however late it was.
        is_catalogues = F.col(f"old.seen_at.{name}").isNull()
        before = F.when(is_catalogues, F.col(f"old.{name}"))
        said = _by_age(is_newer, F.col(f"new.{name}"), before)
        values[name] = F.coalesce(said, F.col(f"old.{name}"))
        seen[name] = F.when(said.isNull(), F.col(f"old.seen_at.{name}"))
    empty = F.array().cast("array<string>")
    old_tags = F.when(F.size("old.tags") > 0, F.col("old.tags"))
    rows = both.select(
        F.col(f"new.{ITEM_ID}").alias(ITEM_ID),
        *(value.alias(name) for name, value in values.items()),
        F.coalesce(_by_age(is_newer, F.col("new.tags"), old_tags), empty).alias("tags"),
        _attributes(is_newer).alias("attributes"),
        F.least("old.first_seen_at", "new.updated_at").alias("first_seen_at"),
        F.struct(*(seen[name].alias(name) for name in SEEN)).alias("seen_at"),
        F.greatest("old.updated_at", "new.updated_at").alias("updated_at"),
        "old",
    )
    return _changed(rows, known)


def changed_users(declared: DataFrame, known: DataFrame) -> DataFrame:
    """Returns the rows of silver/users of which `declared` says something new."""
    both, is_newer = _side_by_side(declared, known, USER_ID), _is_newer()
    rows = both.select(
        F.col(f"new.{USER_ID}").alias(USER_ID),
        *(
            _by_age(is_newer, F.col(f"new.{name}"), F.col(f"old.{name}")).alias(name)
            for name in USER_FACTS
        ),
        _attributes(is_newer).alias("attributes"),
        F.greatest("old.updated_at", "new.updated_at").alias("updated_at"),
        "old",
    )
    return _changed(rows, known)


def _latest(
    records: DataFrame,
    files: Sequence[SourceFile],
    key: str,
    facts: Mapping[str, Column],
    attributes: Column,
) -> DataFrame:
    spark = records.sparkSession
    times = spark.createDataFrame(
        [(file.path, file.modified_at) for file in files], "source_file string, modified_at bigint"
    )
    # A row per file, on the driver already.
    dated = records.join(F.broadcast(times), on="source_file", how="left")
    at = F.coalesce("timestamp", F.timestamp_millis("modified_at"))
    order = F.struct(at.alias("at"), F.col("record_id"))
    rows = dated.select(
        key,
        order.alias("order"),
        attributes.alias("attributes"),
        *(value.alias(name) for name, value in facts.items()),
    )
    latest = rows.groupBy(key).agg(
        *(_last(name).alias(name) for name in facts), F.max("order.at").alias("updated_at")
    )
    each = rows.select(key, "order", F.explode("attributes").alias("k", "v"))
    last = each.groupBy(key, "k").agg(_last("v").alias("v")).where("v IS NOT NULL")
    entries = F.sort_array(F.collect_list(F.struct("k", "v")))
    others = last.groupBy(key).agg(F.map_from_entries(entries).alias("attributes"))
    return latest.join(others, on=key, how="left")


def _last(name: str) -> Column:
    return F.max_by(name, F.when(F.col(name).isNotNull(), F.col("order")))


def _tags(text: Column) -> Column:
    """A list in JSON, or a text with commas, semicolons or bars between them; null for none."""
    listed = F.from_json(text, "array<string>")
    tags = F.when(F.ltrim(text).startswith("["), listed).otherwise(F.split(F.trim(text), SEPARATOR))
    whole = F.filter(F.transform(tags, F.trim), lambda tag: tag.isNotNull() & (tag != ""))
    return F.when(F.size(whole) > 0, whole)


def _side_by_side(declared: DataFrame, known: DataFrame, key: str) -> DataFrame:
    """Structs `new` and `old` of one key; `old` is null where nothing was known."""
    for column in ("updated_at",):
        if column not in known.columns:
            known = known.withColumn(column, F.lit(None).cast("timestamp"))
    new = declared.select(key, F.struct(*declared.columns).alias("new"))
    old = known.select(key, F.struct(*known.columns).alias("old"))
    return new.join(old, on=key, how="left").drop(key)


def _is_newer() -> Column:
    return F.coalesce(F.col("new.updated_at") >= F.col("old.updated_at"), F.lit(True))


def _by_age(is_newer: Column, new: Column, old: Column) -> Column:
    return F.when(is_newer, F.coalesce(new, old)).otherwise(F.coalesce(old, new))


def _attributes(is_newer: Column) -> Column:
    """All attributes of both; where both have one, the newer."""
    empty = F.from_json(F.lit("{}"), ATTRIBUTES)
    new, old = (F.coalesce(f"{side}.attributes", empty) for side in ("new", "old"))
    joined = F.when(is_newer, _over(new, old)).otherwise(_over(old, new))
    entries = F.sort_array(F.map_entries(joined))
    return F.map_from_entries(entries)


def _over(above: Column, below: Column) -> Column:
    rest = F.map_filter(below, lambda key, _: ~F.array_contains(F.map_keys(above), key))
    return F.map_concat(above, rest)


def _changed(rows: DataFrame, known: DataFrame) -> DataFrame:
    """Only the rows that differ from what is known; maps cannot be compared, their entries can."""
    names = [name for name in rows.columns if name != "old"]
    is_same = F.col("old").isNotNull()
    for name in names:
        if name != "attributes":
            is_same &= F.col(name).eqNullSafe(F.col(f"old.{name}"))
    before = F.sort_array(F.map_entries("old.attributes"))
    is_same &= F.map_entries("attributes").eqNullSafe(before)
    return rows.where(~F.coalesce(is_same, F.lit(False))).select(*names)
