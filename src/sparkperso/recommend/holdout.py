"""The test: the chosen models asked once about the unseen part, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend import BootstrapConfig
from sparkperso.core.columns import USER_ID
from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval
from sparkperso.evaluate.bootstrap_sums import bucket_sums
from sparkperso.evaluate.ranking import judge, mean_metrics, ndcg_at_k, user_metrics
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.data.prepared_fold import Metrics, PreparedFold
from sparkperso.recommend.data.user_histories import n_history
from sparkperso.recommend.lists.batch_scoring import Lister, list_frame
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.scoring.top_n import Selection

DECIMALS = 6
FALLBACK = "popularity_tuned"
Buckets = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Comparison:
    """Figures of several models for the same users."""

    metric: str
    challenger: str
    metrics: Mapping[str, Metrics]
    """Model → all metrics, over users with a history."""
    intervals: Mapping[str, Interval]
    """Model → interval of the metric's mean."""
    gains: Mapping[str, Interval]
    """Baseline → paired interval of challenger minus baseline."""
    buckets: Mapping[str, Buckets]
    """Model → bucket of histories → the metric's mean, and n, the users judged."""

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain values, for a document."""
        return {
            "metric": self.metric,
            "challenger": self.challenger,
            "metrics": {name: dict(values) for name, values in self.metrics.items()},
            "intervals": {name: i.as_dict() for name, i in self.intervals.items()},
            "gains": {name: i.as_dict() for name, i in self.gains.items()},
            "buckets": {name: dict(buckets) for name, buckets in self.buckets.items()},
        }


def compare(
    models: Mapping[str, Fitted],
    challenger: str,
    prepared: PreparedFold,
    catalogue: Catalogue,
    resampling: tuple[BootstrapConfig, int],
) -> Comparison:
    """Returns all models' figures, and the challenger's paired gain over each other model.

    Users without a history are served as they will be: where a model has nothing to say to them,
    by the tuned popularity. `resampling` is the bootstrap's settings and its seed.
    """
    metric = f"ndcg_at_{prepared.k}"
    asked = prepared.profiles.where(F.col("n_relevant") > 0)
    listers = {
        name: Lister(
            model,
            "",
            catalogue,
            Selection(prepared.k, prepared.allowed),
            models.get(FALLBACK),
            fills="cold",
        )
        for name, model in models.items()
    }
    judged = {
        name: judged_lists(lister, asked, prepared).persist() for name, lister in listers.items()
    }
    warm = F.col("n_history") > 0
    metrics = {
        name: mean_metrics(rows.where(warm), [prepared.k], prepared.n_items, prepared.n_train_users)
        | {"cold_user_share": prepared.fold.cold_user_share}
        for name, rows in judged.items()
    }
    buckets = {name: by_bucket(rows, metric, prepared.k) for name, rows in judged.items()}
    per_user = [
        user_metrics(rows.where(warm), {n: ndcg_at_k(prepared.k)}) for n, rows in judged.items()
    ]
    intervals = _intervals(per_user, list(models), challenger, resampling)
    for rows in judged.values():
        rows.unpersist()
    return Comparison(
        metric,
        challenger,
        metrics,
        {name: intervals[name] for name in models},
        {name: intervals[_gain(name)] for name in models if name != challenger},
        buckets,
    )


def judged_lists(lister: Lister, asked: DataFrame, prepared: PreparedFold) -> DataFrame:
    """Returns `judged_frame` of the lister's lists."""
    return judged_frame(list_frame(asked, lister), asked, prepared)


def judged_frame(lists: DataFrame, asked: DataFrame, prepared: PreparedFold) -> DataFrame:
    """Returns evaluate.ranking's judged frame of lists, with n_history of each user of `asked`."""
    relevant = prepared.fold.relevant.unionByName(prepared.fold.cold_relevant)
    rows = judge(lists, relevant, prepared.item_users)
    return rows.join(asked.select(USER_ID, n_history()), USER_ID)


def by_bucket(judged: DataFrame, metric: str, k: int) -> Buckets:
    """Returns bucket of histories → the mean nDCG under the name `metric`, and n, the users judged.

    `judged` is evaluate.ranking's frame with n_history of each user.
    """
    starts = list(BUCKETS.items())
    bucket = F.lit(starts[0][0])
    for name, start in starts[1:]:
        bucket = F.when(F.col("n_history") >= start, F.lit(name)).otherwise(bucket)
    per_user = judged.groupBy(USER_ID, bucket.alias("bucket")).agg(F.sum(ndcg_at_k(k)).alias("v"))
    mean = F.round(F.avg("v"), DECIMALS).alias("mean")
    rows = per_user.groupBy("bucket").agg(mean, F.count(F.lit(1)).alias("n")).collect()
    found = {row["bucket"]: {metric: row["mean"], "n": row["n"]} for row in rows}
    return {name: found[name] for name in BUCKETS if name in found}


def _intervals(
    per_user: list[DataFrame],
    names: list[str],
    challenger: str,
    resampling: tuple[BootstrapConfig, int],
) -> dict[str, Interval]:
    config, seed = resampling
    rows = reduce(lambda left, right: left.join(right, USER_ID), per_user)
    baselines = [name for name in names if name != challenger]
    gains = {_gain(name): F.col(challenger) - F.col(name) for name in baselines}
    columns = [*names, *gains]
    counts, sums = bucket_sums(rows.withColumns(gains), columns, config.n_buckets)
    return {
        name: bootstrap_interval(counts, sums[:, n], config.n_resamples, config.level, seed)
        for n, name in enumerate(columns)
    }


def _gain(name: str) -> str:
    return f"gain over {name}"
