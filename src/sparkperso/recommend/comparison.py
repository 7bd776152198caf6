"""The test: the chosen models asked once about the unseen part, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.config.recommend import BootstrapConfig
from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval, bucket_sums
from sparkperso.evaluate.ranking import ndcg_at_k, user_metrics
from sparkperso.recommend.exam import Exam, Metrics
from sparkperso.recommend.model import FactorModel


@dataclass(frozen=True)
class Comparison:
    """Figures of several models for the same users."""

    metric: str
    metrics: Mapping[str, Metrics]
    """Model → all metrics."""
    intervals: Mapping[str, Interval]
    """Model → interval of the metric's mean."""
    gains: Mapping[str, Interval]
    """Baseline → paired interval of challenger minus baseline."""

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain values, for a document."""
        return {
            "metric": self.metric,
            "metrics": {name: dict(values) for name, values in self.metrics.items()},
            "intervals": {name: i.as_dict() for name, i in self.intervals.items()},
            "gains": {name: i.as_dict() for name, i in self.gains.items()},
        }


def compare(
    models: Mapping[str, FactorModel],
    challenger: str,
    exam: Exam,
    config: BootstrapConfig,
    seed: int,
) -> Comparison:
    """Returns all models' figures, and the challenger's paired gain over each other model."""
    metric = f"ndcg_at_{exam.k}"
    judged = {name: exam.judged(model).persist() for name, model in models.items()}
    metrics = {name: exam.ranking(rows) for name, rows in judged.items()}
    per_user = [user_metrics(rows, {n: ndcg_at_k(exam.k)}) for n, rows in judged.items()]
    intervals = _intervals(per_user, list(models), challenger, config, seed)
    for rows in judged.values():
        rows.unpersist()
    baselines = [name for name in models if name != challenger]
    return Comparison(
        metric,
        metrics,
        {name: intervals[name] for name in models},
        {name: intervals[_gain(name)] for name in baselines},
    )


def _intervals(
    per_user: list[DataFrame],
    names: list[str],
    challenger: str,
    config: BootstrapConfig,
    seed: int,
) -> dict[str, Interval]:
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
