"""Lift of categories: what a segment's members have more of than others."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.points import DECIMALS, SEGMENT_ID
from sparkperso.segments.base.result import Lift

MOST = 3
MIN_SHARE, MIN_LIFT = 0.05, 1.2
"""What is smaller is not worth telling."""


def category_lifts(
    members: DataFrame, users: DataFrame, sizes: Mapping[str, int], n_users: int
) -> dict[str, tuple[Lift, ...]]:
    """Returns the categories of each segment id, those of the largest lift first.

    `users` are rows of gold/user_features, whose category_mix adds up to 1 or 0 each. A row per
    segment and category is collected, of categories that a segment has at least MIN_SHARE of.
    """
    shares = users.select(USER_ID, F.explode("category_mix").alias("category", "share"))
    mine = members.select(USER_ID, SEGMENT_ID).join(shares, on=USER_ID)
    size = map_column(sizes, F.col(SEGMENT_ID))
    each = mine.groupBy(SEGMENT_ID, "category").agg(F.sum("share").alias("sum"))
    own = each.withColumn("share", F.round(F.col("sum") / size, DECIMALS))
    average = shares.groupBy("category").agg(
        F.round(F.sum("share") / F.lit(n_users), DECIMALS).alias("average")
    )
    both = own.where(F.col("share") >= MIN_SHARE).join(average, on="category")
    rows = both.select(SEGMENT_ID, "category", "share", "average").collect() if sizes else []
    found: dict[str, list[Lift]] = {}
    for name, *values in sorted(rows):
        found.setdefault(name, []).append(Lift(*values))
    return {name: _most(lifts) for name, lifts in found.items()}


def _most(lifts: list[Lift]) -> tuple[Lift, ...]:
    large = [lift for lift in lifts if lift.average > 0 and lift.lift >= MIN_LIFT]
    return tuple(sorted(large, key=lambda one: (-one.lift, one.category))[:MOST])
