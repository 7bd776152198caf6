"""Buying again: how often each person buys each of their items, from orders as they came.

A rate is buys of an item after its first one, per order of the person after that first one. Few
people have bought one item often, so a person's own rate leans on the item's, the item's on its
category's and that on the shop's: means of Gamma distributions over Poisson rates, as empirical
Bayes estimates them (Efron and Morris 1973 is the principle; Robbins 1956 the Poisson case).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsConfig
from sparkperso.core.columns import (
    CATEGORY,
    EVENT_TYPE,
    ITEM_ID,
    RANK,
    STRENGTH,
    TIMESTAMP,
    USER_ID,
)
from sparkperso.platform.literals import instant
from sparkperso.recommend.arrays.histories import Histories, Ints, Singles
from sparkperso.recommend.data.interactions import recency_weight
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation

AGAIN = "again"
LEAST = 1e-3
DECIMALS = 9
"""Of rates: the order in which partitions are added up shows in later digits only."""


@dataclass(frozen=True)
class OwnItems:
    """Scores that the pairs themselves carry: of each user's own items, and of no others."""

    def scores(self, users: Histories) -> Singles:
        """Returns users × items: the strength of the pair, -inf where there is none above 0."""
        scores = np.full(users.pairs.shape, -np.inf, dtype=np.float32)
        rows = np.repeat(np.arange(len(users)), np.diff(users.pairs.indptr))
        is_liked = users.pairs.data > 0
        scores[rows[is_liked], users.pairs.indices[is_liked]] = users.pairs.data[is_liked]
        return scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns the whole score as `again`."""
        scores = self.scores(users)

        def explain(row: int, items: Ints) -> Explanation:
            named = {AGAIN: scores[row, items].astype(np.float64)}
            return Explanation(named, np.zeros((int(users.lengths[row]), len(items))))

        return explain

    def arrays(self) -> Arrays:
        """Returns nothing: what it knows are the pairs."""
        return {}


def repeat_rates(
    events: DataFrame, items: DataFrame, config: RepeatsConfig, as_of: datetime
) -> DataFrame:
    """Returns user_id, item_id, strength, last_at, repeats, chances: one row per item of a user.

    `events` has the columns of silver/events, `items` item_id and category. strength is the rate at
    which the user is expected to buy the item again, per order, halved per `half_life_days` since
    they last did, rounded to 9 decimals.

    1. Purchases become orders: by order_id, else by session_id, else by day; an item counts once in
       an order, and no longer where as many refunds name it as orders do.
    2. Of each pair: repeats (orders with the item after the first) and chances (orders of the user
       after that first one).
    3. rate of the shop = Σ repeats ÷ Σ chances over all pairs; of a category, an item and at last a
       pair = (repeats + a · rate above) ÷ (chances + a), `a` the orders of `config` for each.
    """
    pairs = _pairs(events.where(F.col(TIMESTAMP) <= instant(as_of)))
    items_sums = _sums(pairs, ITEM_ID).join(items.select(ITEM_ID, CATEGORY), ITEM_ID, "left")
    categories = _sums(items_sums, CATEGORY)
    # A shop in which nobody came back has no chances, and a rate of 0.
    shop = categories.agg(
        F.coalesce(F.try_divide(F.sum("repeats"), F.sum("chances")), F.lit(0.0)).alias("above")
    )
    categories = categories.crossJoin(shop).select(
        F.col(CATEGORY).alias("_category"), _rate(config.category_orders).alias("above")
    )
    of_items = items_sums.join(categories, F.col(CATEGORY).eqNullSafe(F.col("_category")))
    rates = of_items.select(ITEM_ID, _rate(config.item_orders).alias("above"))
    expected = _rate(config.pair_orders) * recency_weight(as_of, config.half_life_days)
    return pairs.join(rates, ITEM_ID).select(
        USER_ID,
        ITEM_ID,
        F.round(expected, DECIMALS).alias(STRENGTH),
        F.col(TIMESTAMP).alias("last_at"),
        "repeats",
        "chances",
    )


def repeat_share(rates: DataFrame) -> float:
    """Returns which share of what is bought after a first order was bought before; 0 of nothing.

    `rates` are those of `repeat_rates`.
    """
    # All that a user's first order holds has had every later order as a chance.
    of_user = F.max("chances").over(W.partitionBy(USER_ID))
    marked = rates.select("repeats", (F.col("chances") < of_user).cast("int").alias("late"))
    repeats, late = marked.agg(F.sum("repeats"), F.sum("late")).collect()[0]
    return float(repeats / (repeats + late)) if repeats else 0.0


def _pairs(events: DataFrame) -> DataFrame:
    """Returns user_id, item_id, repeats, chances, timestamp (of the last purchase)."""
    named = F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull()
    kinds = events.where(named & F.col(EVENT_TYPE).isin("purchase", "refund"))
    day = F.date_trunc("day", TIMESTAMP).cast("string")
    order = F.coalesce(F.col("metadata")["order_id"], "session_id", day)
    # By user first: the windows and both aggregations then stay where the rows are.
    lines = kinds.select(USER_ID, ITEM_ID, EVENT_TYPE, TIMESTAMP, order.alias("order")).repartition(
        USER_ID
    )
    bought = F.col(EVENT_TYPE) == "purchase"
    lines = lines.groupBy(USER_ID, ITEM_ID, "order").agg(
        F.min(F.when(bought, F.col(TIMESTAMP))).alias("first"),
        F.max(F.when(bought, F.col(TIMESTAMP))).alias(TIMESTAMP),
        F.count_if(~bought).alias("refunds"),
    )
    began = F.min("first").over(W.partitionBy(USER_ID, "order"))
    # Refunds have orders of their own, in which nothing was bought.
    place = F.dense_rank().over(W.partitionBy(USER_ID).orderBy(F.desc("began"), F.desc("order")))
    numbered = lines.withColumn("began", began).withColumn("later", place - 1)
    pairs = numbered.groupBy(USER_ID, ITEM_ID).agg(
        (F.count("first") - F.sum("refunds")).alias("orders"),
        F.max(F.when(F.col("first").isNotNull(), F.col("later"))).alias("chances"),
        F.max(TIMESTAMP).alias(TIMESTAMP),
    )
    kept = pairs.where((F.col("orders") > 0) & F.col("chances").isNotNull())
    return kept.withColumn("repeats", F.col("orders") - 1)


def _sums(rows: DataFrame, by: str) -> DataFrame:
    """Returns `by`, repeats, chances: one row per value, null too."""
    return rows.groupBy(by).agg(
        F.sum("repeats").alias("repeats"), F.sum("chances").alias("chances")
    )


def _rate(orders: float) -> Column:
    """Returns the rate of repeats in chances, as if `orders` more had been at the rate above."""
    return (F.col("repeats") + orders * F.col("above")) / (F.col("chances") + orders)


def mixed_lists(new: DataFrame, again: DataFrame, share: float, n: int) -> DataFrame:
    """Returns lists of n of both kinds, with the columns of `new`: one row per (user_id, rank).

    A list's places are dealt out so that every beginning of it has about the `share` (0 to 1) of
    items from `again`; where one of the two is at its end, the other goes on. At the same place the
    new item comes first.
    """
    # A share of nothing still goes on where the other list ends.
    weights = ((new, max(1 - share, LEAST)), (again, max(share, LEAST)))
    first, second = (
        rows.withColumn("_at", (F.col(RANK) - 0.5) / F.lit(weight)).withColumn("_kind", F.lit(kind))
        for kind, (rows, weight) in enumerate(weights)
    )
    dealt = first.unionByName(second)
    order = W.partitionBy(USER_ID).orderBy("_at", "_kind")
    ranked = dealt.withColumn(RANK, F.row_number().over(order).cast("int"))
    return ranked.where(F.col(RANK) <= n).select(*new.columns)
