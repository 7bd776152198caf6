"""Ranking metrics on DataFrames: every metric is a sum over one joined frame.

`judge` joins lists with relevant items once. A metric such as `ndcg_at_k(10)` is a Column: what a
row of that frame adds to its user's value. Summed per user it is the user's metric; summed over
all rows and divided by the number of users it is the mean over users. Users are those with at
least one relevant item; a user without a list counts as 0.

`recommend.scoring.ranking_blocks` has the same metrics for lists in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from math import log2
from operator import add

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, RANK, USER_ID

DECIMALS = 6
"""Of means: enough to compare models, too few to show the order in which Spark added up."""


def judge(
    recommendations: DataFrame, relevant: DataFrame, item_users: DataFrame | None = None
) -> DataFrame:
    """Returns the frame that all metrics sum over: one row per place of a judged user's list.

    `recommendations` has user_id, rank (from 1), item_id; `relevant` has user_id, item_id;
    `item_users` has item_id, n_users (users who had the item in training), for `novelty_at_k`.
    Columns: user_id, n_relevant, rank, item_id, is_hit, hits_so_far, n_users; a user without a
    list has one row with rank null. Lists of users without a relevant item are left out.
    """
    # One row per user, so that the join cannot multiply places.
    truth = relevant.groupBy(USER_ID).agg(F.collect_set(ITEM_ID).alias("relevant"))
    places = recommendations.select(USER_ID, RANK, ITEM_ID)
    rows = truth.join(places, USER_ID, how="left").select(
        USER_ID,
        F.size("relevant").alias("n_relevant"),
        RANK,
        ITEM_ID,
        F.coalesce(F.array_contains("relevant", F.col(ITEM_ID)), F.lit(False)).alias("is_hit"),
    )
    so_far = W.partitionBy(USER_ID).orderBy(RANK).rowsBetween(W.unboundedPreceding, W.currentRow)
    rows = rows.withColumn("hits_so_far", F.sum(F.col("is_hit").cast("int")).over(so_far))
    if item_users is None:
        return rows.withColumn("n_users", F.lit(None).cast("long"))
    known = F.broadcast(item_users.select(ITEM_ID, F.col("n_users").cast("long")))
    return rows.join(known, ITEM_ID, how="left")


def precision_at_k(k: int) -> Column:
    """Share of relevant items among the first k places: |hits ≤ k| ÷ k.

    A list shorter than k is still divided by k, as in Spark's RankingMetrics.precisionAt.

    >>> mean_of(judge_lists(spark, {"u": ["a", "b", "c"]}, {"u": ["b", "d"]}), precision_at_k(2))
    0.5
    """
    return _summand(_hit_within(k), F.lit(1.0) / k)


def recall_at_k(k: int) -> Column:
    """Share of the relevant items that stand in the first k places: |hits ≤ k| ÷ n_relevant.

    As Spark's RankingMetrics.recallAt.

    >>> judged = judge_lists(spark, {"u": ["a", "b", "c"]}, {"u": ["b", "d", "e", "f"]})
    >>> mean_of(judged, recall_at_k(2))
    0.25
    """
    return _summand(_hit_within(k), 1.0 / F.col("n_relevant"))


def ndcg_at_k(k: int) -> Column:
    """Discounted gain of the first k places over that of the best possible list.

    Σ_{hits at rank r ≤ k} 1 ÷ log2(r + 1), over the same sum for min(k, n_relevant) hits at the
    top (Järvelin and Kekäläinen 2002, binary gain). As Spark's RankingMetrics.ndcgAt.

    >>> mean_of(judge_lists(spark, {"u": ["a", "b"]}, {"u": ["b"]}), ndcg_at_k(2))
    0.63093
    """
    gain = 1.0 / F.log2(F.col(RANK) + 1)
    return _summand(_hit_within(k), gain / _best_gain(k))


def map_at_k(k: int) -> Column:
    """Mean over the relevant items of the precision at their rank, first k places.

    Σ_{hits at rank r ≤ k} (hits up to r ÷ r), over min(k, n_relevant). As Spark's
    RankingMetrics.meanAveragePrecisionAt; others divide by n_relevant.

    >>> judged = judge_lists(spark, {"u": ["a", "b", "c"]}, {"u": ["a", "c", "d"]})
    >>> round(mean_of(judged, map_at_k(3)), 4)
    0.5556
    """
    precision = F.col("hits_so_far") / F.col(RANK)
    return _summand(_hit_within(k), precision / F.least(F.lit(k), F.col("n_relevant")))


def mrr() -> Column:
    """One over the rank of the first relevant item in the whole list; 0 when there is none.

    Its mean over users is the mean reciprocal rank (Voorhees 1999).

    >>> mean_of(judge_lists(spark, {"u": ["a", "b", "c"]}, {"u": ["b", "c"]}), mrr())
    0.5
    """
    return _summand(_is_first_hit(), 1.0 / F.col(RANK))


def hit_rate_at_k(k: int) -> Column:
    """1 for a user with at least one relevant item in the first k places, else 0.

    >>> lists, truth = {"u": ["a", "b"], "v": ["a", "b"]}, {"u": ["b"], "v": ["c"]}
    >>> mean_of(judge_lists(spark, lists, truth), hit_rate_at_k(2))
    0.5
    """
    return _summand(_is_first_hit() & (F.col(RANK) <= k), F.lit(1.0))


def coverage_at_k(k: int, n_items: int) -> Column:
    """Aggregate: share of the n_items items of the catalogue in anybody's first k places.

    >>> lists, truth = {"u": ["a", "b"], "v": ["a", "c"]}, {"u": ["a"], "v": ["a"]}
    >>> judged = judge_lists(spark, lists, truth)
    >>> judged.agg(coverage_at_k(2, n_items=6)).first()[0]
    0.5
    """
    listed = F.when(F.col(RANK) <= k, F.col(ITEM_ID))
    return F.count_distinct(listed) / F.lit(max(n_items, 1))


def novelty_at_k(k: int, n_users: int) -> Column:
    """Aggregate: mean over the first k places of -log2(share of training users with the item).

    In bits (Zhou et al. 2010; Vargas and Castells 2011); an item that no user had counts as had
    by one. Null without lists.

    >>> judged = judge_lists(spark, {"u": ["a", "b"]}, {"u": ["a"]}, {"a": 4, "b": 1})
    >>> judged.agg(novelty_at_k(2, n_users=4)).first()[0]
    1.0
    """
    share = F.greatest(F.coalesce("n_users", F.lit(1)), F.lit(1)) / F.lit(max(n_users, 1))
    return F.avg(F.when(F.col(RANK) <= k, -F.log2(share)))


def n_judged() -> Column:
    """Aggregate: number of judged users; each has one first place, or a row without a place.

    >>> lists, truth = {"u": ["a", "b"]}, {"u": ["a"], "v": ["a"]}
    >>> judge_lists(spark, lists, truth).agg(n_judged()).first()[0]
    2
    """
    return F.count_if(F.col(RANK).isNull() | (F.col(RANK) == 1))


def ranking_metrics(ks: Iterable[int]) -> dict[str, Column]:
    """Returns the summands of all user metrics under their logged names, such as ndcg_at_10.

    In the order in which they are logged and shown; `mrr` looks at whole lists and has no k.
    """
    # MLflow's pages show the first metric first.
    per_k = (ndcg_at_k, map_at_k, precision_at_k, recall_at_k, hit_rate_at_k)
    return {
        f"{metric.__name__.removesuffix('_k')}_{k}": metric(k) for k in ks for metric in per_k
    } | {"mrr": mrr()}


def user_metrics(judged: DataFrame, metrics: Mapping[str, Column]) -> DataFrame:
    """Returns one row per judged user: user_id and a double per metric, 0 to 1."""
    sums = [F.sum(summand).alias(name) for name, summand in metrics.items()]
    return judged.groupBy(USER_ID).agg(*sums)


def mean_metrics(
    judged: DataFrame, ks: Sequence[int], n_items: int, n_users: int
) -> dict[str, float]:
    """Returns all metrics in one aggregation: means over users, coverage and novelty at max(ks).

    `n_items` is the size of the catalogue, `n_users` the number of training users. `n_judged` is
    the number of users. Rounded to 6 decimals, so that the order of sums does not show; all 0 when
    there is no user to judge.
    """
    total = n_judged()
    means = {name: F.try_divide(F.sum(s), total) for name, s in ranking_metrics(ks).items()}
    k = max(ks)
    means |= {
        f"coverage_at_{k}": coverage_at_k(k, n_items),
        f"novelty_at_{k}": novelty_at_k(k, n_users),
    }
    row = judged.agg(
        *(F.round(column, DECIMALS).alias(name) for name, column in means.items()),
        total.alias("n_judged"),
    ).first()
    return {name: float(value or 0.0) for name, value in (row.asDict() if row else {}).items()}


def mean_of(judged: DataFrame, summand: Column) -> float:
    """Returns the mean over users of one metric, rounded to 6 decimals; 0 without users."""
    row = judged.agg(F.round(F.try_divide(F.sum(summand), n_judged()), DECIMALS)).first()
    return float(row[0] or 0.0) if row else 0.0


def judge_lists(
    spark: SparkSession,
    lists: Mapping[str, Sequence[str]],
    relevant: Mapping[str, Sequence[str]],
    item_users: Mapping[str, int] | None = None,
) -> DataFrame:
    """Returns the judged frame of small dictionaries: for examples and tests.

    `lists` and `relevant` are user → items, `item_users` item → users who had it in training.
    """
    places = [(u, rank, i) for u, items in lists.items() for rank, i in enumerate(items, 1)]
    truth = [(u, i) for u, items in relevant.items() for i in items]
    counts = list((item_users or {}).items())
    return judge(
        spark.createDataFrame(places, "user_id string, rank int, item_id string"),
        spark.createDataFrame(truth, "user_id string, item_id string"),
        spark.createDataFrame(counts, "item_id string, n_users long") if item_users else None,
    )


def _summand(condition: Column, value: Column) -> Column:
    return F.when(condition, value).otherwise(0.0)


def _hit_within(k: int) -> Column:
    return F.col("is_hit") & (F.col(RANK) <= k)


def _is_first_hit() -> Column:
    return F.col("is_hit") & (F.col("hits_so_far") == 1)


def _best_gain(k: int) -> Column:
    """Looks the best gain of min(k, n_relevant) hits up in a literal list."""
    gains = [reduce(add, (1 / log2(r + 1) for r in range(1, n + 1))) for n in range(1, k + 1)]
    n_best = F.least(F.lit(k), F.col("n_relevant").cast("int"))
    return F.element_at(F.array(*(F.lit(gain) for gain in gains)), n_best)
