"""The test: every model fitted on the whole training part, and its lists judged once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.recommend.models import HybridParams
from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.evaluate.ranking import mean_metrics
from sparkperso.platform.frames import Keeper, cached
from sparkperso.platform.literals import empty_array
from sparkperso.recommend.benchmark.memory import PeakMemory
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.fit_strategy import parts_of
from sparkperso.recommend.holdout import by_bucket, judged_frame
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.models.base import Fitted, Scorer
from sparkperso.recommend.models.hybrid import HybridModel, weight_table
from sparkperso.recommend.models.popularity import PopularityModel
from sparkperso.recommend.scoring.lister import Lister
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.recommend.tune.tuning import TuningContext

FALLBACK = "popularity (filled)"
Keep = Callable[[str, DataFrame], None]
"""(model, its lists: user_id, item_id, rank, score) → keeps them."""


@dataclass(frozen=True)
class Result:
    """The figures of one model on the test."""

    metrics: dict[str, Any]
    """Means over users with a history; by_history: bucket → the criterion and n, users judged."""
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    """Seconds for the lists of all users of the test."""
    peak_rss_mb: float = 0.0
    """Of the driver, the JVM and the Python workers on its machine, while fitting and listing."""


@dataclass
class HoldoutTest:
    """Fits models on the whole training part and judges their lists for the test's users."""

    context: TuningContext
    prepared: PreparedFold
    profiles: DataFrame
    """Profiles of all users of the test, those without history too."""
    keep: Keep
    fallback: Fitted
    """Fills lists that come out short, and those of users whom a model cannot serve."""
    _fitted: dict[str, tuple[Fitted, float]] = field(default_factory=dict)

    def evaluate(self, name: str, params: Any) -> Result:
        """Returns the result of a model with these settings; its lists are kept under `name`.

        Parts of a blend that were fitted before are not fitted again, but their seconds count.
        Raises JobError when it cannot be fitted.
        """
        with Keeper() as keeper:
            with PeakMemory() as memory:
                model, fit_seconds = self._model(params)
                start = perf_counter()
                lists = keeper.cached(list_frame(self.profiles, self.lister(model, name)))
                lists.count()
                score_seconds = perf_counter() - start
            return Result(self.judged(name, lists), fit_seconds, score_seconds, memory.peak_mb)

    def lister(self, model: Scorer, name: str) -> Lister:
        """Returns what lists of a model are made with: nothing seen, the fallback for the rest."""
        select = Selection(self.prepared.k, self.prepared.allowed)
        catalogue = self.context.fitter.catalogue
        return Lister(model, name, catalogue, select, self.fallback, FALLBACK)

    def judged(self, name: str, lists: DataFrame) -> dict[str, Any]:
        """Returns the metrics of lists (columns of list_frame), which `keep` gets too."""
        prepared = self.prepared
        self.keep(name, in_order(lists))
        with cached(judged_frame(lists, self.profiles, prepared)) as rows:
            warm = rows.where(F.col("n_history") > 0)
            means = mean_metrics(warm, [prepared.k], prepared.n_items, prepared.n_train_users)
            buckets = by_bucket(rows, prepared.criterion)
        return {**means, "by_history": buckets}

    def _model(self, params: Any) -> tuple[Fitted, float]:
        parts = [self._part(part) for part in parts_of(params)]
        seconds = sum(second for _, second in parts)
        if not isinstance(params, HybridParams):
            return parts[0][0], seconds
        return HybridModel([model for model, _ in parts], weight_table(params)), seconds

    def _part(self, params: Any) -> tuple[Fitted, float]:
        key = str(params)
        if key not in self._fitted:
            start = perf_counter()
            model = self.context.fitter.fit(self.prepared.profiles, {"model": params})["model"]
            self._fitted[key] = model, perf_counter() - start
        return self._fitted[key]


def in_order(lists: DataFrame) -> DataFrame:
    """Returns user_id, item_id, rank, score, in which scores fall with the rank in every list.

    Places that the fallback filled stand on another scale: theirs become the model's smallest
    score of the list (or 0, if that is smaller) less the rank.
    """
    own = F.when(F.col("strategy") != FALLBACK, F.col(SCORE))
    least = F.least(F.min(own).over(W.partitionBy(USER_ID)), F.lit(0.0))
    filled = F.coalesce(least, F.lit(0.0)) - F.col(RANK)
    score = F.when(F.col("strategy") == FALLBACK, filled).otherwise(F.col(SCORE))
    return lists.select(USER_ID, ITEM_ID, RANK, score.alias(SCORE))


def eval_profiles(prepared: PreparedFold, users: DataFrame, attributes: DataFrame) -> DataFrame:
    """Returns the profile columns of all `users` (user_id), those without history too.

    `attributes` has user_id and attributes.
    """
    known = prepared.profiles.select(USER_ID, "items", "strengths", "ages")
    both = users.join(known, USER_ID, how="left").join(attributes, USER_ID, how="left")
    kinds = {"items": "int", "strengths": "float", "ages": "float", "attributes": "string"}
    filled = {n: F.coalesce(n, empty_array(kind)) for n, kind in kinds.items()}
    return both.withColumns(filled)


def plain_popularity(prepared: PreparedFold, item_index: DataFrame) -> PopularityModel:
    """Returns popularity by users per item in training, counted by Spark: item-sized.

    The fallback of a benchmark that tries no popularity.
    """
    table = prepared.item_users.join(item_index, ITEM_ID).select("item_index", "n_users").toArrow()
    shares = np.zeros((1, len(prepared.allowed)), dtype=np.float32)
    counts = table.column("n_users").to_numpy().astype(np.float64)
    shares[0, table.column("item_index").to_numpy()] = counts / max(counts.sum(), 1)
    return PopularityModel(shares, np.array([""], dtype=object))
