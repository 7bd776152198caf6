"""Events as facts: the few narrow columns that user features are summed from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.features import FeaturesConfig
from sparkperso.config.own_features import OwnFeature
from sparkperso.features.orders import NEW_LINE, NEW_ORDER, mark_orders
from sparkperso.features.own_features import windows_of
from sparkperso.metrics.sessions import MICROSECONDS, SINCE, STARTS, mark_sessions
from sparkperso.platform.literals import instant

DAY = 86_400 * MICROSECONDS
# What a fact is about, and the meaning of its `key`.
EVENT, FEATURE, OWN = 0, 1, 2
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


def events_of_users(
    events: DataFrame, config: FeaturesConfig, as_of: datetime, own: Sequence[OwnFeature] = ()
) -> DataFrame:
    """Returns what is needed of the events that name a user, at or before `as_of`: a row each.

    With features of `own` all columns are kept beside, and `as_of`: Spark drops what none asks for.

    `at` is the time in microseconds since 1970; `hour` and `weekday` (0 is Monday) are those of
    the configured time zone. `amount` is the event's number: the value of a purchase or refund,
    the depth of a scroll, the seconds of a dwell; null where it is no finite number.
    """
    local, amount = F.from_utc_timestamp("timestamp", config.time_zone), _amount()
    known = events.where(F.col("user_id").isNotNull() & (F.col("timestamp") <= instant(as_of)))
    named = ("user_id", "session_id", "event_type", "item_id")
    beside = [name for name in events.columns if name not in named] if own else []
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
        *beside,
        *([instant(as_of).alias("as_of")] if own else []),
    )


def facts_of_users(
    events: DataFrame,
    config: FeaturesConfig,
    partitions: int,
    own: Sequence[OwnFeature] = (),
    now: Column | None = None,
) -> DataFrame:
    """Returns facts (user_id, kind, key, …) of the events of `events_of_users`.

    Every event is one fact, whose key is its category (none for a refund); a named product
    feature is one more, and so is each window of the features of `own` that it lies in, by `now`
    (microseconds since 1970). The frame is partitioned by user_id: the only shuffle that user
    features need.
    """
    spread = events.repartition(partitions, "user_id")
    marked = mark_orders(mark_sessions(spread, "user_id", "at", config.session_gap_minutes))
    category = F.when(F.col("event_type") != "refund", F.col("category"))
    both = F.array(_fact(EVENT, category), _fact(FEATURE, F.col("feature")))
    facts = F.when(F.col("feature").isNotNull(), both).otherwise(F.array(_fact(EVENT, category)))
    if own:
        windows = (_in_window(key, days, now) for key, days in windows_of(own).items())
        facts = F.concat(facts, F.array_compact(F.array(*windows)))
    kept = list(dict.fromkeys([*MEASURED, *(marked.columns if own else ())]))
    exploded = marked.select(*kept, F.explode(facts).alias("fact"))
    return exploded.select(*kept, "fact.kind", "fact.key")


def _in_window(key: str, days: float | None, now: Column | None) -> Column:
    fact = _fact(OWN, F.lit(key))
    if days is None or now is None:
        return fact
    return F.when(F.col("at") > now - int(days * DAY), fact)


def _fact(kind: int, key: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), key.alias("key"))


def _amount() -> Column:
    of_metadata = {"scroll": "depth", "dwell": "seconds"}
    amount = F.col("value")
    for event_type, key in of_metadata.items():
        number = F.col("metadata").getItem(key).try_cast("double")
        amount = F.when(F.col("event_type") == event_type, number).otherwise(amount)
    return amount
