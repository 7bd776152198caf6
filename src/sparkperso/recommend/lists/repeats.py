"""Buying again: how often each person buys each of their items, from orders as they came.

A rate is buys of an item after its first one, per order of the person after that first one. Few
people have bought one item often, so a person's own rate leans on the item's, the item's on its
category's and that on the shop's: means of Gamma distributions over Poisson rates, as empirical
Bayes estimates them (Efron and Morris 1973 is the principle; Robbins 1956 the Poisson case).

What has not been bought for long, held against the person's own rhythm of buying it, may be bought
no more: the rate counts by the probability that it is still going on, that of the MBG/NBD model
(Batislam, Denizel and Filiztekin 2007), whose Gamma distribution is the one above and whose time
is counted in the person's orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsParams
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
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Ints, Singles
from sparkperso.recommend.data.interactions import recency_weight
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, Scored

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
        return self.scored(users).explain

    def scored(self, users: Histories) -> Scored:
        """Returns the scores, and each as a whole as `again`."""
        scores = self.scores(users)

        def explain(row: int, items: Ints) -> Explanation:
            named = {AGAIN: scores[row, items].astype(np.float64)}
            return Explanation(named, np.zeros((int(users.lengths[row]), len(items))))

        return Scored(scores, explain)

    def arrays(self) -> Arrays:
        """Returns nothing: what it knows are the pairs."""
        return {}


def repeat_rates(
    events: DataFrame,
    items: DataFrame,
    params: RepeatsParams,
    half_life_days: float,
    as_of: datetime,
) -> DataFrame:
    """Returns `repeat_counts` with strength and last_at: one row per item of a user.

    strength is `expected_rate`, rounded to 9 decimals, last_at the time of the last purchase.
    """
    counts = repeat_counts(events, items, half_life_days, as_of)
    strength = F.round(expected_rate(params), DECIMALS).alias(STRENGTH)
    return counts.select("*", strength, F.col(TIMESTAMP).alias("last_at"))


def repeat_counts(
    events: DataFrame, items: DataFrame, half_life_days: float, as_of: datetime
) -> DataFrame:
    """Returns what rates are worked out of: one row per item of a user, as of a time.

    `events` has the columns of silver/events, `items` item_id and category. Columns: user_id,
    item_id, timestamp (of the last purchase), orders (with the item), repeats (those after the
    first), chances (orders of the user after that first one), since (those after the last with the
    item); item_ and category_ repeats and chances, their sums; shop_rate, Σ repeats ÷ Σ chances of
    all; demand.

    1. Purchases become orders: by order_id, else by session_id, else by day; an item counts once in
       an order, and no longer where as many refunds name it as orders do.
    2. demand is an item's late sales, Σ 0.5^(age ÷ half-life) over its orders, relative to the mean
       of its category's items.
    """
    pairs = _pairs(events.where(F.col(TIMESTAMP) <= instant(as_of)), half_life_days, as_of)
    of_items = _sums(pairs, ITEM_ID).join(items.select(ITEM_ID, CATEGORY), ITEM_ID, "left")
    of_categories = _sums(of_items, CATEGORY)
    # A shop in which nobody came back has no chances, and a rate of 0.
    shop = of_categories.agg(
        F.coalesce(F.try_divide(F.sum("repeats"), F.sum("chances")), F.lit(0.0)).alias("shop_rate")
    )
    categories = of_categories.crossJoin(shop).select(
        F.col(CATEGORY).alias("_category"),
        F.col("repeats").alias("category_repeats"),
        F.col("chances").alias("category_chances"),
        (F.col("sales") / F.col("n")).alias("mean_sales"),
        "shop_rate",
    )
    # Sales of ages ago are nothing at last: no item of the category sells more than another then.
    demand = F.coalesce(F.try_divide("sales", "mean_sales"), F.lit(1.0))
    known = of_items.join(categories, F.col(CATEGORY).eqNullSafe(F.col("_category"))).select(
        ITEM_ID,
        F.col("repeats").alias("item_repeats"),
        F.col("chances").alias("item_chances"),
        "category_repeats",
        "category_chances",
        "shop_rate",
        demand.alias("demand"),
    )
    return pairs.drop("sales").join(known, ITEM_ID)


def expected_rate(params: RepeatsParams) -> Column:
    """Returns how often the user is expected to buy the item per order, of `repeat_counts`.

    1. rate of a category, an item and at last a pair = (repeats + a · rate above) ÷ (chances + a),
       `a` the orders of `params` for each; above an item is its category's rate × demand^power.
    2. × P(alive) of the MBG/NBD model, 1 ÷ (1 + end ÷ (1 + x) · ((a + T) ÷ (a + t))^(r + x)):
       x repeats, T chances, t those up to the last purchase, r = a · the item's rate.
    """
    category = _rate("category_", params.category_orders, F.col("shop_rate"))
    above = category * F.pow("demand", F.lit(params.demand))
    item = _rate("item_", params.item_orders, above)
    orders, repeats = params.pair_orders, F.col("repeats")
    rate = _rate("", orders, item)
    if params.end is None:
        return rate
    passed = (orders + F.col("chances")) / (orders + F.col("chances") - F.col("since"))
    ended = params.end / (1 + repeats) * F.pow(passed, orders * item + repeats)
    return rate / (1 + ended)


def repeat_shares(counts: DataFrame, share_items: float) -> DataFrame:
    """Returns user_id, share: of what is bought after a first order, what was bought before.

    One row per user of `repeat_counts`. 0 to 1; of few purchases a person's share leans on the
    shop's, which weighs `share_items` of them; 0 where nobody has come back.
    """
    # All that a user's first order holds has had every later order as a chance.
    most = F.max("chances").over(W.partitionBy(USER_ID))
    marked = counts.select(USER_ID, "repeats", (F.col("chances") < most).cast("int").alias("late"))
    sums = (F.sum("repeats").alias("repeats"), (F.sum("repeats") + F.sum("late")).alias("bought"))
    users = marked.groupBy(USER_ID).agg(*sums)
    all_sums = F.try_divide(F.sum("repeats"), F.sum("bought"))
    shop = users.agg(F.coalesce(all_sums, F.lit(0.0)).alias("shop"))
    leaning = F.col("repeats") + share_items * F.col("shop")
    share = leaning / (F.col("bought") + share_items)
    return users.crossJoin(shop).select(USER_ID, F.round(share, DECIMALS).alias("share"))


def _pairs(events: DataFrame, half_life_days: float, as_of: datetime) -> DataFrame:
    """Returns the pairs' own columns of `repeat_counts`, and `sales`, their late orders."""
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
    later = F.when(F.col("first").isNotNull(), F.col("later"))
    pairs = numbered.groupBy(USER_ID, ITEM_ID).agg(
        (F.count("first") - F.sum("refunds")).alias("orders"),
        F.max(later).alias("chances"),
        F.min(later).alias("since"),
        F.sum(recency_weight(as_of, half_life_days)).alias("sales"),
        F.max(TIMESTAMP).alias(TIMESTAMP),
    )
    kept = pairs.where((F.col("orders") > 0) & F.col("chances").isNotNull())
    return kept.withColumn("repeats", F.col("orders") - 1)


def _sums(rows: DataFrame, by: str) -> DataFrame:
    """Returns `by`, n (rows), repeats, chances, sales: one row per value, null too."""
    sums = [F.sum(name).alias(name) for name in ("repeats", "chances", "sales")]
    return rows.groupBy(by).agg(F.count(F.lit(1)).alias("n"), *sums)


def _rate(level: str, orders: float, above: Column) -> Column:
    """Returns the rate of repeats in chances, as if `orders` more had been at the rate above."""
    repeats, chances = F.col(f"{level}repeats"), F.col(f"{level}chances")
    return (repeats + orders * above) / (chances + orders)


def mixed_lists(new: DataFrame, again: DataFrame, shares: DataFrame, n: int) -> DataFrame:
    """Returns lists of n of both kinds, with the columns of `new`: one row per (user_id, rank).

    A list's places are dealt out so that every beginning of it has about the user's share (0 to 1;
    `shares` has user_id, share; 0 of those it lacks) of items from `again`; where one of the two is
    at its end, the other goes on. At the same place the new item comes first.
    """
    share = F.coalesce("share", F.lit(0.0))
    # A share of nothing still goes on where the other list ends.
    weights = ((new, F.greatest(1 - share, F.lit(LEAST))), (again, F.greatest(share, F.lit(LEAST))))
    first, second = (
        rows.join(shares, USER_ID, "left")
        .withColumn("_at", (F.col(RANK) - 0.5) / weight)
        .withColumn("_kind", F.lit(kind))
        for kind, (rows, weight) in enumerate(weights)
    )
    dealt = first.unionByName(second)
    order = W.partitionBy(USER_ID).orderBy("_at", "_kind")
    ranked = dealt.withColumn(RANK, F.row_number().over(order).cast("int"))
    return ranked.where(F.col(RANK) <= n).select(*new.columns)
