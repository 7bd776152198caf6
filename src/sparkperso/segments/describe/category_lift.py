"""Lift of categories: what a segment's members have more of than others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.segments.base.arrays import DECIMALS, MIX, Members
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.naming import Lift
from sparkperso.segments.base.points import SEGMENT_ID

MOST = 3
"""Categories that a profile names."""
MIN_SHARE, MIN_LIFT = 0.05, 1.2
"""Below them a category says little about a segment."""


def category_lifts(
    members: DataFrame | Members, users: DataFrame, sizes: Mapping[str, int], n_users: int
) -> dict[str, tuple[Lift, ...]]:
    """Returns up to MOST categories of each segment id, those of the largest lift first.

    The lift is the mean share of a category among the members by that among all users. `users` are
    rows of gold/user_features, whose category_mix adds up to 1 or 0 each. A row per segment and
    category is collected, of categories that a segment has at least MIN_SHARE of. Segments without
    a lift of MIN_LIFT are left out.
    """
    if not sizes:
        return {}
    if isinstance(members, Members):
        rows = _shares_of(members)
    else:
        rows = _shares(members, users, sizes, n_users)
    lifts: dict[str, list[Lift]] = {}
    for name, category, share, average in sorted(rows):
        one = Lift(category, share, average)
        if average > 0 and one.lift >= MIN_LIFT:
            lifts.setdefault(name, []).append(one)
    return {
        name: tuple(sorted(large, key=lambda one: (-one.lift, one.category))[:MOST])
        for name, large in lifts.items()
    }


def _shares(
    members: DataFrame, users: DataFrame, sizes: Mapping[str, int], n_users: int
) -> list[tuple[str, str, float, float]]:
    """(segment id, category, share of its members, share of all)."""
    shares = users.select(USER_ID, F.explode(MIX).alias("category", "share"))
    of_members = members.select(USER_ID, SEGMENT_ID).join(shares, on=USER_ID)
    size = map_column(sizes, F.col(SEGMENT_ID))
    each = of_members.groupBy(SEGMENT_ID, "category").agg(F.sum("share").alias("sum"))
    own = each.withColumn("share", F.round(F.col("sum") / size, DECIMALS))
    average = shares.groupBy("category").agg(
        F.round(F.sum("share") / F.lit(n_users), DECIMALS).alias("average")
    )
    both = own.where(F.col("share") >= MIN_SHARE).join(average, on="category")
    rows = both.select(SEGMENT_ID, "category", "share", "average").collect()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _shares_of(members: Members) -> list[tuple[str, str, float, float]]:
    """Returns what `_shares` does, of members in memory."""
    mixes, n_users = members.users.mixes, len(members.users)
    categories, kinds = np.unique(mixes.categories, return_inverse=True)
    average = np.round(np.bincount(kinds, mixes.shares) / n_users, DECIMALS)
    rows = []
    for place, name in enumerate(members.names):
        at = members.of(place)
        own = np.isin(mixes.users, at)
        sums = np.bincount(kinds[own], mixes.shares[own], minlength=len(categories))
        share = np.round(sums / max(len(at), 1), DECIMALS)
        for kind in np.flatnonzero(share >= MIN_SHARE).tolist():
            rows.append((name, categories[kind], float(share[kind]), float(average[kind])))
    return rows
