"""Settings of lists of what is bought again, chosen and tested by what people bought again.

1. As of every cut, counts per pair are made once (`repeats.repeat_counts`); a candidate is a Column
   over them, so that all candidates of all folds are judged in one query (`_judged`).
2. Relevant are items that a person has bought before the cut and buys between it and its end; the
   lists hold own items alone, up to k, as long as those of new items that training judges.
3. The candidate with the largest mean over the folds is tested once, beside each person's most
   frequent items; and the three kinds of lists by all that was bought after the test's cut.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsParams
from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, RANK, TIMESTAMP, USER_ID
from sparkperso.core.reporting import Say
from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval
from sparkperso.evaluate.ranking import judge, mean_of, ranking_metrics
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import instant
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.recommend.data.folds import FoldSet
from sparkperso.recommend.data.prepared_fold import Metrics
from sparkperso.recommend.lists.repeats import (
    AGAIN,
    expected_rate,
    mixed_lists,
    repeat_counts,
    repeat_shares,
)
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.trial_result import TrialResult, best_of, log_figures

FREQUENT = "most_frequent"
DECIMALS = 6


@dataclass(frozen=True)
class RepeatsTest:
    """Figures of the test, where anybody bought anything again."""

    metric: str
    metrics: Mapping[str, Metrics]
    """`again` and `most_frequent` → metrics of own items (0 to 1), by what was bought again."""
    interval: Interval
    gain: Interval
    """Paired interval of `again` minus `most_frequent`."""
    n_judged: int
    of_all: Mapping[str, Metrics]
    """Kind of list → metrics by all that was bought, new and again."""


@dataclass(frozen=True)
class RepeatsOutcome:
    """Settings of what is bought again, and what they are worth."""

    chosen: TrialResult
    """Metrics per fold; without any where nobody bought anything again."""
    trials: Sequence[TrialResult]
    test: RepeatsTest | None

    def as_dict(self) -> dict[str, Any]:
        """Returns what the document of a registered version keeps, under `repeats`."""
        document = {
            "params": self.chosen.params.model_dump(mode="json"),
            "folds": [dict(fold) for fold in self.chosen.folds],
        }
        if self.test is None:
            return document
        figures = {
            "metric": self.test.metric,
            "metrics": {name: dict(own) for name, own in self.test.metrics.items()},
            "interval": self.test.interval.as_dict(),
            "gain_over_most_frequent": self.test.gain.as_dict(),
            "n_judged": self.test.n_judged,
            "of_all": {kind: dict(own) for kind, own in self.test.of_all.items()},
        }
        return document | {"test": figures}

    def metrics(self) -> dict[str, float]:
        """Returns the figures to log: recall_again_at_10 on the folds, and the test's.

        test_<again or most_frequent>_<metric>, test_of_all_<kind>_<metric>, and
        test_gain_over_most_frequent_ mean, low, high and level.
        """
        found = dict(self.chosen.mean)
        if self.test is None:
            return found
        for prefix, figures in (("test_", self.test.metrics), ("test_of_all_", self.test.of_all)):
            for kind, own in figures.items():
                found |= {f"{prefix}{kind}_{name}": value for name, value in own.items()}
        gain = self.test.gain.as_dict()
        return found | {f"test_gain_over_{FREQUENT}_{name}": v for name, v in gain.items()}


def tune_repeats(
    cuts: FoldSet,
    items: DataFrame,
    new: DataFrame,
    config: RecommendConfig,
    reporting: tuple[RunRecorder, Say],
) -> RepeatsOutcome:
    """Returns the best settings of `recommend.lists.repeats.space`, tested once.

    Or those of `recommend.lists.repeats.params`, where they are set. `items` has item_id and
    category, `new` the test's lists of new items (user_id, rank, item_id). Each candidate is a
    child run of the recorder. Where nobody bought anything again on any fold they are the defaults.
    """
    recorder, say = reporting
    params = config.lists.repeats.candidates
    names = run_names(params)
    rates = {name: expected_rate(one) for name, one in zip(names, params, strict=True)}
    began, n_folds = time.time(), len(cuts.spans) - 1
    judged = [
        _judged(
            _counts(cuts, n, items, config), _bought(cuts, n), rates, config.search.k
        ).withColumn("fold", F.lit(n))
        for n in range(n_folds)
    ]
    found = _means(reduce(DataFrame.unionByName, judged), config.search.k, "fold")
    folds = sorted({fold for fold, _ in found})
    span = (began, time.time())
    trials = [
        TrialResult(name, one, tuple(_again(found[fold, name]) for fold in folds), span=span)
        for name, one in zip(names, params, strict=True)
    ]
    if not folds:
        say("Nobody bought anything again after a cut: nothing tells settings of repeats apart")
        plain = config.lists.repeats.params or RepeatsParams()
        return RepeatsOutcome(TrialResult(AGAIN, plain, ()), trials, None)
    metric = _again_name(config.search.criterion.name)
    for trial in trials:
        with recorder.child(trial.name, span) as run:
            log_settings(run, AGAIN, trial.params)
            run.set_tags({"candidate": trial.name, "dropped": False, "left_out": "no"})
            log_figures(run, trial)
    chosen = best_of(trials, metric)
    say(f"{chosen.name}: {metric} {chosen.mean[metric]:.4f}, the best of {len(trials)}")
    return RepeatsOutcome(chosen, trials, _test(cuts, items, new, chosen.params, config))


def _counts(cuts: FoldSet, place: int, items: DataFrame, config: RecommendConfig) -> DataFrame:
    """Returns `repeats.repeat_counts` as of a cut."""
    cut, _ = cuts.spans[place]
    return repeat_counts(cuts.events, items, config.lists.repeats.demand_half_life_days, cut)


def _judged(counts: DataFrame, bought: DataFrame, rates: Mapping[str, Column], k: int) -> DataFrame:
    """Returns `name` and evaluate.ranking's frame of lists of own items: one per rate and user.

    `counts` are those of a cut, `bought` what was bought after it. Of users who bought one of their
    own items again. Lists are of the k best; of equal ones the item that was bought last comes
    first.
    """
    marked = counts.join(bought.withColumn("is_hit", F.lit(True)), [USER_ID, ITEM_ID], "left")
    marked = marked.withColumn("is_hit", F.coalesce("is_hit", F.lit(False)))
    n_relevant = F.count_if("is_hit").over(W.partitionBy(USER_ID))
    marked = marked.withColumn("n_relevant", n_relevant).where(F.col("n_relevant") > 0)
    scores = [
        F.struct(F.lit(name).alias("name"), F.round(rate, 9).alias("rate"))
        for name, rate in rates.items()
    ]
    columns = [USER_ID, ITEM_ID, TIMESTAMP, "is_hit", "n_relevant"]
    scored = marked.select(*columns, F.inline(F.array(*scores)))
    lists = W.partitionBy("name", USER_ID)
    order = lists.orderBy(F.desc("rate"), F.desc(TIMESTAMP), ITEM_ID)
    ranked = scored.withColumn(RANK, F.row_number().over(order))
    ranked = ranked.where(F.col(RANK) <= k)
    so_far = F.sum(F.col("is_hit").cast("int")).over(lists.orderBy(RANK))
    return ranked.withColumn("hits_so_far", so_far)


def _bought(cuts: FoldSet, place: int) -> DataFrame:
    """Returns user_id, item_id of what was bought between a cut and its end: one row per pair."""
    cut, end = cuts.spans[place]
    after = (F.col(TIMESTAMP) > instant(cut)) & (F.col(TIMESTAMP) <= instant(end))
    bought = cuts.events.where(after & (F.col(EVENT_TYPE) == "purchase"))
    named = F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull()
    return bought.where(named).select(USER_ID, ITEM_ID).distinct()


def _means(judged: DataFrame, k: int, by: str) -> dict[tuple[Any, str], Metrics]:
    """Returns (value of `by`, name) → the mean of each metric over users, and n_judged."""
    n = F.count_if(F.col(RANK) == 1)
    means = [F.round(F.sum(own) / n, DECIMALS).alias(m) for m, own in ranking_metrics([k]).items()]
    rows = judged.groupBy(by, "name").agg(*means, n.cast("double").alias("n_judged")).collect()
    keys = (by, "name")
    return {
        (row[by], row["name"]): {m: v for m, v in row.asDict().items() if m not in keys}
        for row in rows
    }


def _test(
    cuts: FoldSet, items: DataFrame, new: DataFrame, params: RepeatsParams, config: RecommendConfig
) -> RepeatsTest | None:
    """Returns the figures of the test; None where nobody bought anything again."""
    place, k, metric = len(cuts.spans) - 1, config.search.k, config.search.criterion.name
    rates = {AGAIN: expected_rate(params), FREQUENT: F.col("orders").cast("double")}
    counts, bought = keep_cached(_counts(cuts, place, items, config)), _bought(cuts, place)
    judged = keep_cached(_judged(counts, bought, rates, k))
    means = {
        name: own for (_, name), own in _means(judged.withColumn("of", F.lit(0)), k, "of").items()
    }
    if not means:
        return None
    resampling = config.bootstrap
    bucket = F.pmod(F.xxhash64(USER_ID), F.lit(resampling.n_buckets)).alias("bucket")
    own = ranking_metrics([k])[metric]
    sums = judged.groupBy(bucket).agg(
        F.count_if((F.col(RANK) == 1) & (F.col("name") == AGAIN)).alias("n"),
        *(
            F.round(F.sum(F.when(F.col("name") == name, own).otherwise(0.0)), 9).alias(name)
            for name in rates
        ),
    )
    table = sums.orderBy("bucket").toArrow()
    n, again, frequent = (
        table.column(name).to_numpy().astype(np.float64) for name in ("n", AGAIN, FREQUENT)
    )
    settings = (resampling.n_resamples, resampling.level, config.seed)
    return RepeatsTest(
        metric,
        {name: {m: v for m, v in own.items() if m != "n_judged"} for name, own in means.items()},
        bootstrap_interval(n, again, *settings),
        bootstrap_interval(n, again - frequent, *settings),
        int(n.sum()),
        _of_all(counts, bought, new, params, config),
    )


def _of_all(
    counts: DataFrame,
    bought: DataFrame,
    new: DataFrame,
    params: RepeatsParams,
    config: RecommendConfig,
) -> dict[str, Metrics]:
    """Returns kind → metrics of the test's lists, by all that was bought after the cut.

    `counts` and `bought` are the test's. Of users who have a list of new items.
    """
    k = config.search.k
    order = W.partitionBy(USER_ID).orderBy(F.desc("rate"), F.desc(TIMESTAMP), ITEM_ID)
    rated = counts.withColumn("rate", F.round(expected_rate(params), 9))
    again = rated.select(USER_ID, F.row_number().over(order).alias(RANK), ITEM_ID)
    again = keep_cached(again.where(F.col(RANK) <= k))
    new = keep_cached(new.select(USER_ID, RANK, ITEM_ID))
    mixed = mixed_lists(new, again, repeat_shares(counts, config.lists.repeats.share_items), k)
    bought = keep_cached(bought.join(new.select(USER_ID).distinct(), USER_ID, "left_semi"))
    metrics = {
        name: ranking_metrics([k])[name]
        for name in (config.search.criterion.name, f"recall_at_{k}")
    }
    return {
        kind: {name: mean_of(judge(lists, bought), own) for name, own in metrics.items()}
        for kind, lists in {"new": new, AGAIN: again, "mixed": mixed}.items()
    }


def _again(metrics: Metrics) -> Metrics:
    return {_again_name(name): value for name, value in metrics.items()}


def _again_name(metric: str) -> str:
    """Returns a metric's name where what was bought again alone is relevant.

    >>> _again_name("recall_at_10"), _again_name("mrr")
    ('recall_again_at_10', 'mrr_again')
    """
    name, _, k = metric.partition("_at_")
    return f"{name}_again_at_{k}" if k else f"{name}_again"
