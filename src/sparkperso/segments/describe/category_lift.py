"""Lift of categories: what a segment's members have more of than others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.arrays import DECIMALS, MIX, Members
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.points import SEGMENT_ID
from sparkperso.segments.base.result import Lift

MOST = 3
MIN_SHARE, MIN_LIFT = 0.05, 1.2
"""What is smaller is not worth telling."""


def category_lifts(
    members: DataFrame | Members, users: DataFrame, sizes: Mapping[str, int], n_users: int
) -> dict[str, tuple[Lift, ...]]:
    """Returns the categories of each segment id, those of the largest lift first.

    `users` are rows of gold/user_features, whose category_mix adds up to 1 or 0 each. A row per
    segment and category is collected, of categories that a segment has at least MIN_SHARE of.
    """
    if not sizes:
        return {}
    if isinstance(members, Members):
        rows = _shares_of(members)
    else:
        rows = _shares(members, users, sizes, n_users)
    found: dict[str, list[Lift]] = {}
    for name, category, share, average in sorted(rows):
        found.setdefault(name, []).append(Lift(category, share, average))
    return {name: _most(lifts) for name, lifts in found.items()}


def _shares(
    members: DataFrame, users: DataFrame, sizes: Mapping[str, int], n_users: int
) -> list[tuple[str, str, float, float]]:
    """(segment id, category, share of its members, share of all)."""
    shares = users.select(USER_ID, F.explode(MIX).alias("category", "share"))
    mine = members.select(USER_ID, SEGMENT_ID).join(shares, on=USER_ID)
    size = map_column(sizes, F.col(SEGMENT_ID))
    each = mine.groupBy(SEGMENT_ID, "category").agg(F.sum("share").alias("sum"))
    own = each.withColumn("share", F.round(F.col("sum") / size, DECIMALS))
    average = shares.groupBy("category").agg(
        F.round(F.sum("share") / F.lit(n_users), DECIMALS).alias("average")
    )
    both = own.where(F.col("share") >= MIN_SHARE).join(average, on="category")
    found = both.select(SEGMENT_ID, "category", "share", "average").collect()
    return [(row[0], row[1], row[2], row[3]) for row in found]


def _shares_of(members: Members) -> list[tuple[str, str, float, float]]:
    """Returns what `_shares` does, of members in memory."""
    mixes, n_users = members.users.mixes, len(members.users)
    categories, kinds = np.unique(mixes.categories, return_inverse=True)
    average = np.round(np.bincount(kinds, mixes.shares) / n_users, DECIMALS)
    found = []
    for place, name in enumerate(members.names):
        at = members.of(place)
        own = np.isin(mixes.users, at)
        sums = np.bincount(kinds[own], mixes.shares[own], minlength=len(categories))
        share = np.round(sums / max(len(at), 1), DECIMALS)
        for kind in np.flatnonzero(share >= MIN_SHARE).tolist():
            found.append((name, categories[kind], float(share[kind]), float(average[kind])))
    return found


def _most(lifts: list[Lift]) -> tuple[Lift, ...]:
    large = [lift for lift in lifts if lift.average > 0 and lift.lift >= MIN_LIFT]
    return tuple(sorted(large, key=lambda one: (-one.lift, one.category))[:MOST])
