"""A benchmark from frames to its document.

1. The split is made ready (`prepare.prepare_split`).
2. Every model's settings are tuned on folds inside the training part (`tune_models`).
3. The best of each is fitted on the whole training part and judged once by the test
   (`evaluate_models`).
4. The document names the model that did best in tuning: the test chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.frames import Keeper, keep_cached
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
    """What a benchmark is to report."""

    k: int
    """Length of the lists."""
    models: tuple[str, ...] | None = None
    """Names out of config.models.PARAMS; None: all that the data carry."""
    with_implicit: bool = False
    """Whether the library `implicit` is compared."""
    allow_overlap: bool = False
    """Whether the test may begin before the training ends."""

    def wants(self, model: str) -> bool:
        """Returns whether a model is to be reported."""
        return self.models is None or model in self.models


def run_benchmark(
    frames: Frames,
    config: RecommendConfig,
    request: BenchmarkRequest,
    keep: Keep,
    say: Say,
    *,
    count: Count = no_count,
) -> dict[str, Any]:
    """Returns the document: split, chosen, models (best validation first).

    `keep` is given every model's lists. Raises JobError for data that cannot be used, UsageError
    for a test that begins before the training ends and when no model is left.
    """
    with Keeper():
        prepared_split = prepare_split(frames, config, request.k, request.allow_overlap, say)
        prepared_split = replace(
            prepared_split, context=replace(prepared_split.context, count=count)
        )
        require_folds(prepared_split.prepared_folds)
        best = tune_models(prepared_split, request)
        say("judging every model by the test")
        metric = prepared_split.context.metric
        results = evaluate_models(prepared_split, best, request, keep)
        entries = [
            report.entry(one, results[name]) for name, one in best.items() if name in results
        ]
        ours = [name for name in results if name not in implicit_baseline.GRIDS]
        return {
            "split": prepared_split.split,
            "chosen": report.chosen(entries, metric, ours),
            "models": report.ordered(entries, metric),
        }


def tune_models(prepared_split: PreparedSplit, request: BenchmarkRequest) -> dict[str, TrialResult]:
    """Returns the best candidate of each model, also of those that only the hybrid needs.

    Notes in the split what was left out, and reports it before any work where it is known. Raises
    UsageError when nothing is left, JobError when nothing can be fitted.
    """
    context, config = prepared_split.context, prepared_split.context.config
    shape = prepared_split.shape
    space, left_out = candidates(config.search, config.seed, request.models, shape)
    prepared_split.split["left_out"] = left_out
    with_ratings = request.wants(EXPLICIT) and shape.is_explicit
    if request.models and EXPLICIT in request.models and not with_ratings:
        left_out[EXPLICIT] = "the ratings are no opinions (3 to 20 values within 0.5 to 10)"
    if not space and not with_ratings:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UsageError("At least one model should be left to try", why, "Fix --models")
    for name, why in left_out.items():
        context.say(f"{name} is left out: {why}")
    best: dict[str, TrialResult] = {}
    if space:
        searched = tune(context, prepared_split.prepared_folds, space, blend=request.wants(HYBRID))
        best = dict(searched.best)
        left_out |= failures_of(searched)
    if with_ratings:
        rating = tune_ratings(
            context, prepared_split.prepared_folds, config.search.explicit or RATINGS
        )
        if rating.failure is None:
            best[EXPLICIT] = rating
        else:
            left_out[EXPLICIT] = rating.failure
    if request.with_implicit:
        context.say("tuning the library implicit")
        best |= implicit_baseline.tune_implicit(
            prepared_split.prepared_folds, fold_data(prepared_split), config.seed
        )
    return best


def failures_of(searched: TuningResult) -> dict[str, str]:
    """Returns model → why no candidate of it could be fitted."""
    models = {one.params.model: one.failure for one in searched.trials if one.failure is not None}
    return {model: why for model, why in models.items() if model not in searched.best}


def evaluate_models(
    prepared_split: PreparedSplit,
    best: Mapping[str, TrialResult],
    request: BenchmarkRequest,
    keep: Keep,
) -> dict[str, Result]:
    """Returns the result of each model on the test, in the order of `best`.

    One that cannot be fitted on the whole training part is left out, and noted in the split. Tuned
    popularity fills lists that come out short; the plain one where none was tried.
    """
    popular = best.get("popularity")
    known = attributes_at(
        prepared_split.context.attributes, prepared_split.test.fold.training.as_of
    )
    profiles = keep_cached(eval_profiles(prepared_split.test, prepared_split.test_users, known))
    fallback = (
        prepared_split.context.fitter.fit(prepared_split.test.profiles, {"": popular.params})[""]
        if popular
        else plain_popularity(prepared_split.test, prepared_split.context.item_index)
    )
    holdout_test = HoldoutTest(
        prepared_split.context, prepared_split.test, profiles, keep, fallback
    )
    results = {}
    for name, one in best.items():
        if name in (EXPLICIT, *implicit_baseline.GRIDS) or request.wants(name):
            try:
                results[name] = evaluate_one(holdout_test, prepared_split, one)
            except FAILURES as error:
                prepared_split.split["left_out"][name] = reason_of(error)
    return results


def evaluate_one(
    holdout_test: HoldoutTest, prepared_split: PreparedSplit, one: TrialResult
) -> Result:
    """Returns the result of one model; raises one of FAILURES when it cannot be fitted."""
    name, test = one.params.model, prepared_split.test
    if name == EXPLICIT:
        return evaluate_explicit(prepared_split, one)
    if name in implicit_baseline.GRIDS:
        fold = implicit_baseline.in_driver(test, fold_data(prepared_split), -1)
        seed = prepared_split.context.config.seed
        return implicit_baseline.evaluate_implicit(holdout_test, one.params, fold.training, seed)
    return holdout_test.evaluate(name, one.params)


def evaluate_explicit(prepared_split: PreparedSplit, best: TrialResult) -> Result:
    """Returns the errors of explicit ALS on the test's ratings; raises JobError without a fit."""
    figures = evaluate_ratings(prepared_split.context, [prepared_split.test.fold], [best.params])[0]
    if "failure" in figures:
        raise JobError("als_explicit should be fitted", figures["failure"])
    metrics = {name: figures[name] for name in ("rmse", "mae", "dropped_share")}
    return Result(metrics, figures["fit_seconds"], figures["score_seconds"], figures["peak_rss_mb"])


def fold_data(prepared_split: PreparedSplit) -> Broadcasts:
    """Returns what reading folds in this process takes; fold -1 is the test."""
    allowed: dict[int, np.ndarray[Any, Any]] = {
        n: e.allowed for n, e in enumerate(prepared_split.prepared_folds)
    }
    fitter = prepared_split.context.fitter
    return Broadcasts(
        fitter.catalogue,
        allowed | {-1: prepared_split.test.allowed},
        prepared_split.context.criterion,
        fitter.setting,
    )
