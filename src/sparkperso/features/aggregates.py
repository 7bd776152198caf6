"""Facts summed in two steps: per user, kind and key, then per user.

Two steps, since an aggregation over distinct keys would carry every key of a user through one
task's memory; here a row per key is all that is left of the events.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.own_features import OwnFeature
from sparkperso.core.spellings import DEVICES
from sparkperso.features.event_facts import DAY, EVENT, FEATURE, OWN
from sparkperso.features.orders import NEW_LINE, NEW_ORDER
from sparkperso.features.own_features import own_maxima, own_sums
from sparkperso.metrics.sessions import SINCE, STARTS

# Sums of amounts are rounded, so that the order of adding does not show.
DECIMALS = 6
COUNTED_TYPES = ("page_view", "item_view", "click", "add_to_cart", "purchase", "refund")
ADDED_TYPES = ("purchase", "refund", "scroll", "dwell")
DAY_PARTS = {"night": (0, 5), "morning": (6, 11), "afternoon": (12, 17), "evening": (18, 23)}


def sums_by_key(facts: DataFrame, now: Column, own: Sequence[OwnFeature] = ()) -> DataFrame:
    """Returns the sums of facts, and features of `own`, one row per (user_id, kind, key).

    `now` is microseconds since 1970. Counts are `n_…`, amounts `…_amount` in the event's own unit
    (currency, depth, seconds); session_length and all times are in microseconds.
    """
    counts = [F.count_if(condition).alias(name) for name, condition in _counts(now).items()]
    amounts = [
        F.sum(F.when(_is(kind), F.col("amount"))).alias(f"{kind}_amount") for kind in ADDED_TYPES
    ]
    return facts.groupBy("user_id", "kind", "key").agg(
        *counts,
        *amounts,
        F.sum(SINCE).alias("session_length"),
        F.min("at").alias("first_at"),
        F.max("at").alias("last_at"),
        F.max(F.when(_is("purchase"), F.col("at"))).alias("last_purchase_at"),
        *own_sums(own, OWN),
    )


def sums_by_user(by_key: DataFrame, own: Sequence[OwnFeature] = ()) -> DataFrame:
    """Returns one row per user: the sums of its events, and the counts of its keys.

    `categories` and `feature_use` are arrays of (key, n) in the order of the keys.
    """
    whole = [name for name in by_key.columns if name.startswith("n_")] + ["session_length"]
    amounts = [f"{kind}_amount" for kind in ADDED_TYPES]
    return by_key.groupBy("user_id").agg(
        *(F.sum(_of(EVENT, name)).alias(name) for name in whole),
        *(_amount(name).alias(name) for name in amounts),
        F.min("first_at").alias("first_at"),
        F.max("last_at").alias("last_at"),
        F.max("last_purchase_at").alias("last_purchase_at"),
        _entries(EVENT).alias("categories"),
        _entries(FEATURE).alias("feature_use"),
        *own_maxima(own),
    )


def _counts(now: Column) -> dict[str, Column]:
    """The name of a count, and the events that it counts."""
    starts, has_amount = F.col(STARTS) == 1, F.col("amount").isNotNull()
    return {
        "n_events": F.lit(True),
        **{f"n_{kind}": _is(kind) for kind in COUNTED_TYPES},
        **{f"n_{kind}": _is(kind) & has_amount for kind in ("scroll", "dwell")},
        "n_orders": F.col(NEW_ORDER),
        "n_lines": F.col(NEW_LINE),
        "n_sessions": starts,
        **{f"n_visits_{days}d": starts & (F.col("at") > now - days * DAY) for days in (7, 30)},
        "n_device": F.col("device").isNotNull(),
        **{f"n_{device}": F.col("device") == device for device in DEVICES},
        **{f"n_{part}": F.col("hour").between(*hours) for part, hours in DAY_PARTS.items()},
        "n_weekend": F.col("weekday") >= 5,
    }


def _amount(name: str) -> Column:
    return F.round(F.coalesce(F.sum(_of(EVENT, name)), F.lit(0.0)), DECIMALS)


def _entries(kind: int) -> Column:
    """Arrays are sorted: a map's entries come in the order in which they are put in."""
    entry = F.struct("key", F.col("n_events").alias("n"))
    is_named = (F.col("kind") == kind) & F.col("key").isNotNull()
    return F.array_sort(F.collect_list(F.when(is_named, entry)))


def _of(kind: int, name: str) -> Column:
    return F.when(F.col("kind") == kind, F.col(name))


def _is(event_type: str) -> Column:
    return F.col("event_type") == event_type
