"""Items as their events describe them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DESCRIBED = ("title", "category", "price")
SAID = (*DESCRIBED, "first_seen_at", "seen_at")
"""Columns that events tell of; tags and attributes are of whoever loads a catalogue."""
OTHERS = {"tags": "array<string>", "attributes": "map<string,string>"}


def update_items(events: DataFrame, known: DataFrame) -> DataFrame:
    """Returns all `known` items and those that `events` name, their facts combined.

    One row per item_id, in the columns of silver/items. Title, category and price are each the
    latest that any event gave, and what `known` has of them where none gave any; the result does
    not depend on the order of batches. Tags and attributes are those of `known`.
    """
    seen = (
        _descriptions(events)
        .groupBy("item_id")
        .agg(
            *(_latest(name).alias(name) for name in DESCRIBED),
            F.min("first_seen_at").alias("first_seen_at"),
        )
    )
    before = known.select(
        "item_id",
        *(F.struct(f"seen_at.{name}", name).alias(name) for name in DESCRIBED),
        "first_seen_at",
        *OTHERS,
    )
    seen = seen.withColumns({name: F.lit(None).cast(kind) for name, kind in OTHERS.items()})
    return _combined(_renamed(seen).unionByName(_renamed(before)))


def changed_items(events: DataFrame, known: DataFrame) -> DataFrame:
    """Returns those items of `update_items` that `events` name and that differ from `known`."""
    named = events.select("item_id").where(F.col("item_id").isNotNull()).distinct()
    touched = known.join(F.broadcast(named), on="item_id", how="left_semi")
    facts = F.struct(*SAID)
    before = touched.select("item_id", facts.alias("_before"))
    after = update_items(events, touched).join(before, on="item_id", how="left")
    return after.where(~facts.eqNullSafe(F.col("_before"))).drop("_before")


def _descriptions(events: DataFrame) -> DataFrame:
    """One row per way in which an item was described: few, so that what follows is cheap.

    Keys and times alone can be aggregated by hash; a maximum over structs would sort all events.
    """
    metadata = F.col("metadata")
    price = metadata["unit_price"].try_cast("double")
    described = events.where(F.col("item_id").isNotNull()).select(
        *("item_id", "timestamp"),
        metadata["title"].alias("title"),
        metadata["category"].alias("category"),
        F.when(price > 0, price).alias("price"),
    )
    return described.groupBy("item_id", *DESCRIBED).agg(
        F.max("timestamp").alias("timestamp"), F.min("timestamp").alias("first_seen_at")
    )


def _latest(name: str) -> Column:
    """The value of the latest event that has one; of equal times the greatest."""
    return F.max(F.when(F.col(name).isNotNull(), F.struct("timestamp", name)))


def _renamed(items: DataFrame) -> DataFrame:
    """The two sides name the parts of their structs alike: `at` and `what`.

    A fact without a time, of a loaded catalogue, is older than any that an event gave.
    """
    parts = {
        name: F.col(name).cast(f"struct<at:timestamp,what:{kind}>")
        for name, kind in (("title", "string"), ("category", "string"), ("price", "double"))
    }
    return items.withColumns(
        {name: F.when(part.what.isNotNull(), part) for name, part in parts.items()}
    )


def _combined(both: DataFrame) -> DataFrame:
    latest = both.groupBy("item_id").agg(
        *(F.max(name).alias(name) for name in DESCRIBED),
        F.min("first_seen_at").alias("first_seen_at"),
        *(F.any_value(name, ignoreNulls=True).alias(name) for name in OTHERS),
    )
    return latest.select(
        "item_id",
        *(F.col(f"{name}.what").alias(name) for name in DESCRIBED),
        F.coalesce("tags", F.array().cast(OTHERS["tags"])).alias("tags"),
        F.coalesce("attributes", F.from_json(F.lit("{}"), OTHERS["attributes"])).alias(
            "attributes"
        ),
        "first_seen_at",
        F.struct(*(F.col(f"{name}.at").alias(name) for name in DESCRIBED)).alias("seen_at"),
    )
