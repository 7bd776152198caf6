"""A benchmark from frames to its document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkperso.config.recommend import RecommendConfig
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.recommend.benchmark import implicit_baseline, report
from sparkperso.recommend.benchmark.candidates import (
    EXPLICIT,
    HYBRID,
    RATINGS,
    candidates,
)
from sparkperso.recommend.benchmark.holdout import (
    HoldoutTest,
    Keep,
    Result,
    eval_profiles,
    plain_popularity,
)
from sparkperso.recommend.benchmark.prepare import (
    Frames,
    PreparedSplit,
    prepare_split,
    require_folds,
)
from sparkperso.recommend.data.user_histories import attributes_at
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.trial import Broadcasts
from sparkperso.recommend.tune.trial_result import TrialResult
from sparkperso.recommend.tune.tuning import TuningResult, evaluate_ratings, tune, tune_ratings


@dataclass(frozen=True)
class BenchmarkRequest:
    """What a benchmark is asked for."""

    k: int
    """Length of the lists."""
    models: tuple[str, ...] | None = None
    """Names out of config.models.PARAMS; None: all that the data carry."""
    with_implicit: bool = False
    """Whether the library `implicit` is compared."""
    allow_overlap: bool = False
    """Whether the test may begin before the training ends."""

    def wants(self, model: str) -> bool:
        """Says whether a model is to be reported."""
        return self.models is None or model in self.models


def run_benchmark(
    frames: Frames,
    config: RecommendConfig,
    asked: BenchmarkRequest,
    keep: Keep,
    say: Say,
    *,
    count: Count = no_count,
) -> dict[str, Any]:
    """Returns the document: split, chosen, models (best validation first).

    `keep` is given every model's lists. Raises JobError for data that cannot be used, UsageError
    for a test that begins before the training ends and when no model is left.
    """
    prepared_split = prepare_split(frames, config, asked.k, asked.allow_overlap, say)
    prepared_split = replace(prepared_split, bench=replace(prepared_split.bench, count=count))
    require_folds(prepared_split.prepared_folds)
    tried = tuned(prepared_split, asked)
    say("asking every model about the test")
    metric = prepared_split.bench.metric
    found = dict(contested(prepared_split, tried, asked, keep))
    entries = [report.entry(one, found[name]) for name, one in tried.items() if name in found]
    ours = [name for name in found if name not in implicit_baseline.GRIDS]
    prepared_split.release()
    return {
        "split": prepared_split.split,
        "chosen": report.chosen(entries, metric, ours),
        "models": report.ordered(entries, metric),
    }


def tuned(prepared_split: PreparedSplit, asked: BenchmarkRequest) -> dict[str, TrialResult]:
    """Returns the best candidate of each model, also of those that only the hybrid needs.

    Notes in the split what was left out, and says it before any work where it is known then. Raises
    UsageError when nothing is left, JobError when nothing can be fitted.
    """
    bench, config = prepared_split.bench, prepared_split.bench.config
    found, left_out = candidates(config.search, config.seed, asked.models, prepared_split.given)
    prepared_split.split["left_out"] = left_out
    with_ratings = asked.wants(EXPLICIT) and prepared_split.given.is_explicit
    if asked.models and EXPLICIT in asked.models and not with_ratings:
        left_out[EXPLICIT] = "the ratings are no opinions (3 to 20 values within 0.5 to 10)"
    if not found and not with_ratings:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UsageError("At least one model should be left to try", why, "Fix --models")
    for name, why in left_out.items():
        bench.say(f"{name} is left out: {why}")
    best: dict[str, TrialResult] = {}
    if found:
        searched = tune(bench, prepared_split.prepared_folds, found, blend=asked.wants(HYBRID))
        best = dict(searched.best)
        left_out |= failures_of(searched)
    if with_ratings:
        rating = tune_ratings(
            bench, prepared_split.prepared_folds, config.search.explicit or RATINGS
        )
        if rating.failure is None:
            best[EXPLICIT] = rating
        else:
            left_out[EXPLICIT] = rating.failure
    if asked.with_implicit:
        bench.say("tuning the library implicit")
        best |= implicit_baseline.tune_implicit(
            prepared_split.prepared_folds, shared(prepared_split), config.seed
        )
    return best


def failures_of(searched: TuningResult) -> dict[str, str]:
    """Returns model → why no candidate of it could be fitted."""
    models = {one.params.model: one.failure for one in searched.tried if one.failure is not None}
    return {model: why for model, why in models.items() if model not in searched.best}


def contested(
    prepared_split: PreparedSplit,
    tried: Mapping[str, TrialResult],
    asked: BenchmarkRequest,
    keep: Keep,
) -> list[tuple[str, Result]]:
    """Returns what came of each contender on the test.

    One that cannot be fitted on the whole training part is left out, and noted in the split.
    """
    popular = tried.get("popularity")
    known = attributes_at(prepared_split.bench.attributes, prepared_split.test.fold.training.as_of)
    profiles = eval_profiles(prepared_split.test, prepared_split.test_users, known).persist()
    fallback = (
        prepared_split.bench.fitter.fit(prepared_split.test.profiles, {"": popular.params})[""]
        if popular
        else plain_popularity(prepared_split.test, prepared_split.bench.item_index)
    )
    holdout_test = HoldoutTest(prepared_split.bench, prepared_split.test, profiles, keep, fallback)
    found = []
    for name, one in tried.items():
        if name in (EXPLICIT, *implicit_baseline.GRIDS) or asked.wants(name):
            try:
                found.append((name, entered(holdout_test, prepared_split, one)))
            except FAILURES as error:
                prepared_split.split["left_out"][name] = reason_of(error)
    profiles.unpersist()
    return found


def entered(holdout_test: HoldoutTest, prepared_split: PreparedSplit, one: TrialResult) -> Result:
    """Returns what came of one contender; raises one of FAILURES when it cannot be fitted."""
    name = one.params.model
    if name == EXPLICIT:
        return rated(prepared_split, one)
    if name in implicit_baseline.GRIDS:
        training = implicit_baseline.in_driver(
            prepared_split.test, shared(prepared_split), -1
        ).training
        return implicit_baseline.evaluate_implicit(
            holdout_test, one.params, training, seed(prepared_split)
        )
    return holdout_test.enter(name, one.params)


def rated(prepared_split: PreparedSplit, tried: TrialResult) -> Result:
    """Returns the errors of explicit ALS on the test's ratings; raises JobError without a fit."""
    figures = evaluate_ratings(prepared_split.bench, [prepared_split.test.fold], [tried.params])[0]
    if "failure" in figures:
        raise JobError("als_explicit should be fitted", figures["failure"])
    metrics = {name: figures[name] for name in ("rmse", "mae", "dropped_share")}
    return Result(metrics, figures["fit_seconds"], figures["score_seconds"], figures["peak_rss_mb"])


def shared(prepared_split: PreparedSplit) -> Broadcasts:
    """Returns what reading folds in this process takes; -1 is the test."""
    allowed: dict[int, np.ndarray[Any, Any]] = {
        n: e.allowed for n, e in enumerate(prepared_split.prepared_folds)
    }
    fitter = prepared_split.bench.fitter
    return Broadcasts(
        fitter.catalogue,
        allowed | {-1: prepared_split.test.allowed},
        prepared_split.bench.k,
        fitter.setting,
    )


def seed(prepared_split: PreparedSplit) -> int:
    """Returns the seed of all that is random."""
    return prepared_split.bench.config.seed
