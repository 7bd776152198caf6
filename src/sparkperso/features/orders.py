"""Orders: which purchase is the first of its order, and which the first of its item therein."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.metrics.sessions import STARTED

# Columns that `mark_orders` adds.
NEW_ORDER, NEW_LINE = "is_new_order", "is_new_line"


def mark_orders(events: DataFrame) -> DataFrame:
    """Adds `is_new_order` and `is_new_line` (bool), by which orders and their items are counted.

    An order counts once, and an item once per order, however many purchases name them.
    A purchase without order_id belongs to the order of its session, so `events` are those of
    `mark_sessions`. Sorts once by (user_id, order, item_id), where counting different values in an
    aggregation would carry every order and item through it.
    """
    is_purchase = F.col("event_type") == "purchase"
    order = F.coalesce("order_id", F.concat_ws("@", "session_id", STARTED))
    by_order = W.partitionBy("user_id").orderBy("_order", "item_id")
    # eqNullSafe: what is no purchase has no order, and a purchase may have no item.
    same_order = F.lag("_order").over(by_order).eqNullSafe(F.col("_order"))
    same_item = F.lag("item_id").over(by_order).eqNullSafe(F.col("item_id"))
    return (
        events.withColumn("_order", F.when(is_purchase, order))
        .withColumns({"_same_order": same_order, "_same_item": same_item})
        .withColumn(NEW_ORDER, is_purchase & ~F.col("_same_order"))
        .withColumn(
            NEW_LINE,
            is_purchase
            & F.col("item_id").isNotNull()
            & ~(F.col("_same_order") & F.col("_same_item")),
        )
    )
