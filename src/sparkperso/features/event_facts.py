"""Events as facts: the few narrow columns that user features are summed from."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.features import FeaturesConfig
from sparkperso.features.orders import NEW_LINE, NEW_ORDER, mark_orders
from sparkperso.features.sessions import SINCE, STARTS, mark_sessions
from sparkperso.platform.literals import instant

# What a fact is about, and the meaning of its `key`.
EVENT, FEATURE = 0, 1
# What is counted and added of a fact.
MEASURED = (
    "user_id",
    "at",
    "hour",
    "weekday",
    "event_type",
    "device",
    "amount",
    STARTS,
    SINCE,
    NEW_ORDER,
    NEW_LINE,
)


def events_of_users(events: DataFrame, config: FeaturesConfig, as_of: datetime) -> DataFrame:
    """Returns what is needed of the events that name a user, at or before `as_of`: a row each.

    `at` is the time in microseconds since 1970; `hour` and `weekday` (0 is Monday) are those of
    the configured time zone. `amount` is the event's number: the value of a purchase or refund,
    the depth of a scroll, the seconds of a dwell; null where it is no finite number.
    """
    local, amount = F.from_utc_timestamp("timestamp", config.time_zone), _amount()
    known = events.where(F.col("user_id").isNotNull() & (F.col("timestamp") <= instant(as_of)))
    return known.select(
        "user_id",
        "session_id",
        F.unix_micros("timestamp").alias("at"),
        F.hour(local).alias("hour"),
        F.weekday(local).alias("weekday"),
        "event_type",
        F.lower("context.device_type").alias("device"),
        "item_id",
        F.col("metadata").getItem("category").alias("category"),
        F.col("metadata").getItem("feature").alias("feature"),
        F.col("metadata").getItem("order_id").alias("order_id"),
        F.when(F.abs(amount) < float("inf"), amount).alias("amount"),
    )


def facts_of_users(events: DataFrame, config: FeaturesConfig, partitions: int) -> DataFrame:
    """Returns facts (user_id, kind, key, …) of the events of `events_of_users`.

    Every event is one fact, whose key is its category (none for a refund); a named product
    feature is one more. The frame is partitioned by user_id: the only shuffle that user features
    need.
    """
    spread = events.repartition(partitions, "user_id")
    marked = mark_orders(mark_sessions(spread, "user_id", "at", config.session_gap_minutes))
    category = F.when(F.col("event_type") != "refund", F.col("category"))
    both = F.array(_fact(EVENT, category), _fact(FEATURE, F.col("feature")))
    facts = F.when(F.col("feature").isNotNull(), both).otherwise(F.array(_fact(EVENT, category)))
    exploded = marked.select(*MEASURED, F.explode(facts).alias("fact"))
    return exploded.select(*MEASURED, "fact.kind", "fact.key")


def _fact(kind: int, key: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), key.alias("key"))


def _amount() -> Column:
    of_metadata = {"scroll": "depth", "dwell": "seconds"}
    amount = F.col("value")
    for event_type, key in of_metadata.items():
        number = F.col("metadata").getItem(key).try_cast("double")
        amount = F.when(F.col("event_type") == event_type, number).otherwise(amount)
    return amount
