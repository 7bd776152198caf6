"""Items as their events describe them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DESCRIBED = {"title": "string", "category": "string", "price": "double"}
SAID = (*DESCRIBED, "first_seen_at", "seen_at")
"""Columns that events tell of; tags and attributes are of whoever loads a catalogue."""
OTHERS = {
    "tags": "array<string>",
    "attributes": "map<string,string>",
    "updated_at": "timestamp",
}


def changed_items(events: DataFrame, known: DataFrame | None) -> DataFrame:
    """Returns those items that `events` name and of which they say something new.

    One row per item_id, in the columns of silver/items. Title, category and price are each what a
    catalogue says, else the latest that any event gave; the result does not depend on the order of
    batches. Tags, attributes and updated_at are those of `known`, which is None before its first
    row.
    """
    seen = _seen(events)
    if known is None:
        nothing = {name: F.lit(None).cast(kind) for name, kind in OTHERS.items()}
        return seen.withColumns(nothing).select(*_item_columns())
    facts = F.struct(*SAID)
    before = known.select(
        "item_id",
        *(_known_fact(name).alias(f"_{name}") for name in DESCRIBED),
        F.col("first_seen_at").alias("_first_seen_at"),
        *(_other(name, known).alias(name) for name in OTHERS),
        facts.alias("_before"),
    )
    latest = {name: _outweighing(name) for name in DESCRIBED}
    earliest = {"first_seen_at": F.least("first_seen_at", "_first_seen_at")}
    both = seen.join(before, on="item_id", how="left").withColumns(latest | earliest)
    after = both.select(*_item_columns(), "_before")
    return after.where(~facts.eqNullSafe(F.col("_before"))).drop("_before")


def _seen(events: DataFrame) -> DataFrame:
    """One row per item: each fact as a struct of `at` and `what`, null where no event gave it.

    First one row per way in which an item was described: few, so that what follows is cheap. Keys
    and times alone can be aggregated by hash; a maximum over structs would sort all events.
    """
    metadata = F.col("metadata")
    price = metadata["unit_price"].try_cast("double")
    described = events.where(F.col("item_id").isNotNull()).select(
        *("item_id", "timestamp"),
        metadata["title"].alias("title"),
        metadata["category"].alias("category"),
        F.when(price > 0, price).alias("price"),
    )
    ways = described.groupBy("item_id", *DESCRIBED).agg(
        F.max("timestamp").alias("timestamp"), F.min("timestamp").alias("first_seen_at")
    )
    return ways.groupBy("item_id").agg(
        *(F.max(_fact(name, F.col("timestamp"))).alias(name) for name in DESCRIBED),
        F.min("first_seen_at").alias("first_seen_at"),
    )


def _fact(name: str, at: Column) -> Column:
    """What is known of an item, with its time: the latest is the greatest, null where unknown."""
    fact = F.struct(at.alias("at"), F.col(name).alias("what"))
    return F.when(
        F.col(name).isNotNull(), fact.cast(f"struct<at:timestamp,what:{DESCRIBED[name]}>")
    )


def _known_fact(name: str) -> Column:
    """What is known has the time of the event that gave it; without one it is a catalogue's."""
    return _fact(name, F.col(f"seen_at.{name}"))


def _outweighing(name: str) -> Column:
    """A catalogue's word outweighs any event's; of events the latest."""
    known = F.col(f"_{name}")
    is_catalogues = known.isNotNull() & known["at"].isNull()
    return F.when(is_catalogues, known).otherwise(F.greatest(name, known))


def _other(name: str, known: DataFrame) -> Column:
    """A column that rows of an older version may lack."""
    return F.col(name) if name in known.columns else F.lit(None).cast(OTHERS[name])


def _item_columns() -> list[Column]:
    nothing = F.from_json(F.lit("{}"), OTHERS["attributes"])
    return [
        F.col("item_id"),
        *(F.col(f"{name}.what").alias(name) for name in DESCRIBED),
        F.coalesce("tags", F.array().cast(OTHERS["tags"])).alias("tags"),
        F.coalesce("attributes", nothing).alias("attributes"),
        F.col("first_seen_at"),
        F.struct(*(F.col(f"{name}.at").alias(name) for name in DESCRIBED)).alias("seen_at"),
        F.col("updated_at"),
    ]
