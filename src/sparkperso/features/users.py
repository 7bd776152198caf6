"""User features as of a time: one row per user, from one pass over the events.

1. Events that name a user, at or before as-of, in a few narrow columns (`events_of_users`).
2. One shuffle by user_id; sessions and orders are marked there (`facts_of_users`).
3. Sums per user, kind and key, then per user (`aggregates`).
4. Features are rates, differences and maps of these sums, below.

Meaning and unit of each column stand in the table's schema (gold/user_features).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.features import FeaturesConfig
from sparkperso.config.own_features import OwnFeature
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.spellings import DEVICES
from sparkperso.features.aggregates import DAY_PARTS, DECIMALS, sums_by_key, sums_by_user
from sparkperso.features.event_facts import DAY, events_of_users, facts_of_users
from sparkperso.features.own_features import own_columns
from sparkperso.metrics.sessions import MICROSECONDS
from sparkperso.platform.literals import instant


def build_user_features(
    events: DataFrame,
    config: FeaturesConfig,
    as_of: datetime,
    partitions: int,
    own: Sequence[OwnFeature] = (),
) -> DataFrame:
    """Returns gold/user_features: one row per user whom an event at or before `as_of` names.

    `events` has the columns of silver/events; later ones count for nothing. `as_of` is UTC where it
    is naive; `partitions` is how many parts the users are spread over, and does not change the
    result. Times are days, amounts the shop's currency, shares 0 to 1; a rate of nothing is 0.
    Features of `own` follow, as doubles.
    """
    now = F.unix_micros(instant(as_of))
    known = events_of_users(events, config, as_of, own)
    facts = facts_of_users(known, config, partitions, own, now)
    sums = sums_by_user(sums_by_key(facts, now, own), own)
    features = _features(now)
    return sums.select(
        "user_id",
        instant(as_of).alias("as_of"),
        *(features[name].alias(name) for name in NUMERIC_FEATURES),
        *_maps(),
        *own_columns(own),
    )


def _features(now: Column) -> dict[str, Column]:
    """Returns name → column, from the sums of a user; `now` is microseconds since 1970."""
    total, views = F.col("n_events"), F.col("n_page_view") + F.col("n_item_view")
    sold_and_returned = F.col("n_purchase") + F.col("n_refund")
    return {
        # Who never bought is as long ago as they are known.
        "recency_days": (now - F.coalesce("last_purchase_at", "first_at")) / DAY,
        "inactive_days": (now - F.col("last_at")) / DAY,
        "tenure_days": (now - F.col("first_at")) / DAY,
        # Orders
        "frequency": F.col("n_orders"),
        "monetary": F.round(F.col("purchase_amount") - F.col("refund_amount"), DECIMALS),
        "basket_size": _ratio(F.col("n_lines"), F.col("n_orders")),
        "refund_share": _ratio(F.col("n_refund"), sold_and_returned),
        # Visits
        "sessions": F.col("n_sessions"),
        "avg_session_seconds": _ratio(F.col("session_length") / MICROSECONDS, F.col("n_sessions")),
        "visits_7d": F.col("n_visits_7d"),
        "visits_30d": F.col("n_visits_30d"),
        # Engagement
        "click_through": _ratio(F.col("n_click"), views),
        "add_to_cart_rate": _ratio(F.col("n_add_to_cart"), F.col("n_item_view")),
        "avg_scroll_depth": _ratio(F.col("scroll_amount"), F.col("n_scroll")),
        "avg_dwell_seconds": _ratio(F.col("dwell_amount"), F.col("n_dwell")),
        # Habits
        "n_events": total,
        "n_categories": F.size("categories").cast("bigint"),
        "weekend_share": _ratio(F.col("n_weekend"), total),
        **{f"share_{part}": _ratio(F.col(f"n_{part}"), total) for part in DAY_PARTS},
        **{f"share_{d}": _ratio(F.col(f"n_{d}"), F.col("n_device")) for d in DEVICES},
    }


def _maps() -> list[Column]:
    # `categories` is in order of its keys: of equally frequent ones the first is the top.
    counts = F.transform("categories", lambda entry: entry.n)
    total = F.aggregate(counts, F.lit(0).cast("bigint"), lambda sum_, n: sum_ + n)
    most = F.filter("categories", lambda entry: entry.n == F.array_max(counts))
    shares = F.transform("categories", lambda entry: F.struct(entry.key, entry.n / total))
    return [
        F.try_element_at(most, F.lit(1)).key.alias("top_category"),
        F.map_from_entries(shares).alias("category_mix"),
        F.map_from_entries("feature_use").alias("feature_use"),
    ]


def _ratio(part: Column, whole: Column) -> Column:
    """A rate of nothing is 0."""
    return F.when(whole > 0, part / whole).otherwise(F.lit(0.0))
