"""Events → interaction strength per (user_id, item_id).

The functions on columns are shared with `folds`, which works out strengths as of several times in
one aggregation: a fold's interactions are gold/interactions as of its cut.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.section import InteractionsConfig
from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, STRENGTH, TIMESTAMP, USER_ID
from sparkperso.platform.literals import instant

MICROS_PER_DAY = 86_400_000_000
DECIMALS = 9
"""Of strengths: the order in which partitions are added up shows in later digits only."""


def build_interactions(events: DataFrame, config: InteractionsConfig, as_of: datetime) -> DataFrame:
    """Returns gold/interactions: one row per (user_id, item_id).

    `events` has the columns of silver/events. Counted are events at or before `as_of` that name a
    user and an item and whose type has a weight. strength = Σ weight × 0.5^(age ÷ half-life), age
    in days, rounded to 9 decimals; where refunds outweigh the rest it is 0: the user knows the
    item, and it is no preference. n_events, first_at and last_at are those of all counted events.

    >>> bought = "'ada' AS user_id, 'mug' AS item_id, 'purchase' AS event_type"
    >>> when = "TIMESTAMP '2026-03-01 00:00:00 UTC' AS `timestamp`"
    >>> events = spark.sql(f"SELECT {bought}, {when}")
    >>> config = InteractionsConfig(weights={"purchase": 1.0}, half_life_days=30)
    >>> build_interactions(events, config, datetime(2026, 3, 31)).first()["strength"]
    0.5
    """
    named = F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull()
    counted = weighted_events(events.where(named), config, as_of)
    return counted.groupBy(USER_ID, ITEM_ID).agg(
        strength_of(F.col("weight")).alias(STRENGTH),
        F.count(F.lit(1)).alias("n_events"),
        F.min(TIMESTAMP).alias("first_at"),
        F.max(TIMESTAMP).alias("last_at"),
    )


def weighted_events(events: DataFrame, config: InteractionsConfig, as_of: datetime) -> DataFrame:
    """Returns the events that count, up to `as_of`, with their decayed `weight`; a row each."""
    known, weight = counts_at(config, as_of), weight_at(config, as_of)
    return events.where(known).withColumn("weight", weight)


def counts_at(config: InteractionsConfig, as_of: datetime) -> Column:
    """Returns whether an event counts as of a time: it has happened, and its type has a weight."""
    return F.col(EVENT_TYPE).isin(list(config.weights)) & (F.col(TIMESTAMP) <= instant(as_of))


def weight_at(config: InteractionsConfig, as_of: datetime) -> Column:
    """Returns the weight of an event's type × `recency_weight`; null for types without a weight."""
    by_type = F.create_map(*(F.lit(part) for pair in config.weights.items() for part in pair))
    return by_type[F.col(EVENT_TYPE)] * recency_weight(as_of, config.half_life_days)


def strength_of(weight: Column) -> Column:
    """Aggregate: the strength of a pair from the weights of its events, not below 0."""
    return F.greatest(F.round(F.sum(weight), DECIMALS), F.lit(0.0))


def recency_weight(as_of: datetime, half_life_days: float | None) -> Column:
    """Returns 0.5^(age ÷ half-life) of an event, both in days; 1 without a half-life."""
    if half_life_days is None:
        return F.lit(1.0)
    return F.pow(F.lit(0.5), age_days(as_of) / F.lit(half_life_days))


def age_days(as_of: datetime) -> Column:
    """Returns how long before `as_of` an event happened, in days with their fractions."""
    return (F.unix_micros(instant(as_of)) - F.unix_micros(F.col(TIMESTAMP))) / MICROS_PER_DAY
