"""Choosing the settings of each model on the folds, for training and for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import ExplicitParams, HybridParams
from sparkperso.config.recommend.section import HybridConfig, RecommendConfig
from sparkperso.core.errors import JobError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.frames import broadcast
from sparkperso.platform.run_recorder import NullRecorder, RunRecorder
from sparkperso.recommend.data.folds import Fold
from sparkperso.recommend.data.prepared_fold import PreparedFold, prepare_fold
from sparkperso.recommend.data.user_histories import Attributes
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.explicit_als import rating_frame, rating_work
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.fit_strategy import Fitter
from sparkperso.recommend.fit.task_runner import chunks_for, in_tasks, in_threads
from sparkperso.recommend.fit.trial import Broadcasts
from sparkperso.recommend.tune.blend import learn_blend
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.search import Search, SearchPlan
from sparkperso.recommend.tune.trial_result import (
    TIMED,
    TrialResult,
    best_of,
    log_figures,
    span_of,
)

AnyFold = PreparedFold | DriverFold
SPACE = "Change the bounds that are named, or recommend.search.space"


@dataclass(frozen=True)
class TuningContext:
    """What all candidates of a search share, in training and in a benchmark."""

    config: RecommendConfig
    criterion: Criterion
    fitter: Fitter
    item_index: DataFrame
    attributes: Attributes
    slots: int
    size: DataSize
    say: Say
    recorder: RunRecorder = field(default_factory=NullRecorder)
    count: Count = no_count

    @property
    def metric(self) -> str:
        """Name of the metric that candidates are chosen by."""
        return self.criterion.name

    def prepared(self, fold: Fold) -> PreparedFold:
        """Returns a fold made ready; what is cached for it stays until the open keeper ends."""
        catalogue = self.fitter.catalogue
        return prepare_fold(fold, self.criterion, catalogue, self.item_index, self.attributes)


@dataclass(frozen=True)
class TuningResult:
    """All candidates of a search, and the best of each model on the folds."""

    trials: tuple[TrialResult, ...]
    """All candidates; the blend too, where it could not be fitted."""
    best: Mapping[str, TrialResult]
    """Model → its best candidate; with `blend`, the hybrid of the best too."""

    @property
    def left_out(self) -> dict[str, str]:
        """Candidate → why it could not be fitted."""
        return {one.name: one.failure for one in self.trials if one.failure is not None}

    def ranked(self, metric: str) -> list[TrialResult]:
        """Returns the best of each model and the blend, largest mean first; of equals the first."""
        return sorted(self.best.values(), key=lambda one: -one.mean[metric])


def tune(
    context: TuningContext,
    prepared_folds: Sequence[AnyFold],
    candidates: Sequence[Any],
    blend: bool,
) -> TuningResult:
    """Returns the best candidate of each model, and with `blend` the hybrid of the best.

    1. Every candidate is tried on the folds (`search.Search`).
    2. Of each model the one with the largest mean stays.
    3. The weights of a blend of the best models are learned on the same folds.

    What cannot be fitted is left out, by name; raises JobError when nothing else is left.
    """
    config = context.config.search
    allowed = {number: prepared.allowed for number, prepared in enumerate(prepared_folds)}
    held = Broadcasts(context.fitter.catalogue, allowed, context.criterion, context.fitter.setting)
    with broadcast(context.item_index.sparkSession, held) as shared:
        plan = SearchPlan(context.slots, config.halving.rungs_for(context.size), config.patience)
        search = Search(
            prepared_folds,
            shared,
            plan,
            context.recorder,
            context.say,
            context.metric,
            context.fitter,
            context.count,
        )
        trials = search.run(candidates)
        best = best_by_model(trials, context.metric)
        if not best:
            why = "; ".join(f"{one.name}: {one.failure or 'given up'}" for one in trials)
            raise JobError("At least one candidate should be fitted", why, SPACE)
        hybrid = blend_of(context, prepared_folds, shared, best) if blend else None
    if hybrid is None:
        return TuningResult(tuple(trials), best)
    if hybrid.failure is not None:
        return TuningResult((*trials, hybrid), best)
    return TuningResult(tuple(trials), {**best, "hybrid": hybrid})


def best_by_model(trials: Sequence[TrialResult], metric: str) -> dict[str, TrialResult]:
    """Returns model → its best candidate, models in the order of their first candidates.

    A model of which no candidate could be fitted on every fold is not among them: means over
    other folds, or over parts of them, cannot be held against each other.
    """
    complete = [one for one in trials if one.failure is None and not one.is_dropped]
    models = dict.fromkeys(one.params.model for one in complete)
    return {m: best_of([t for t in complete if t.params.model == m], metric) for m in models}


def blend_of(
    context: TuningContext,
    prepared_folds: Sequence[AnyFold],
    shared: Any,
    best: Mapping[str, TrialResult],
) -> TrialResult | None:
    """Returns the blend of the best models, or why it cannot be fitted; None with fewer than two.

    Its figure is cross-fitted (`blend.learn_blend`), so that it may be ranked among its parts.
    """
    config = context.config.search.hybrid
    ranked = sorted(best.values(), key=lambda one: -one.mean[context.metric])
    parts = parts_to_blend([one.params for one in ranked], config)
    if not config.enabled or len(parts) < 2:
        return None
    began = time.time()
    try:
        params, means = learn_blend(prepared_folds, shared, parts, context.fitter, config)
    except FAILURES as error:
        context.say(f"hybrid is left out: {reason_of(error)}")
        return TrialResult(
            "hybrid", HybridParams(parts=tuple(parts), weights={}), (), failure=reason_of(error)
        )
    blend = TrialResult("hybrid", params, tuple(means), span=(began, time.time()))
    worth = blend.mean[context.metric]
    context.say(f"hybrid of {', '.join(p.model for p in parts)}: {context.metric} {worth:.4f}")
    (run_name,) = run_names([params])
    with context.recorder.child(run_name, blend.span) as run:
        log_settings(run, "hybrid", params)
        run.set_tags({"candidate": blend.name, "dropped": False, "left_out": "no"})
        log_figures(run, blend)
    return blend


def parts_to_blend(ranked: Sequence[Any], config: HybridConfig) -> list[Any]:
    """Returns the best models' settings, `ranked` by their worth: `max_parts`, one of a kind."""
    kinds = {model: group for group in config.one_of for model in group}
    first: dict[Any, Any] = {}
    for params in ranked:
        first.setdefault(kinds.get(params.model, params.model), params)
    return list(first.values())[: config.max_parts]


def tune_ratings(
    context: TuningContext, prepared_folds: Sequence[AnyFold], candidates: Sequence[ExplicitParams]
) -> TrialResult:
    """Returns the explicit ALS with the smallest mean RMSE on the folds' ratings.

    Each is a child run of the recorder. One that cannot be fitted is left out, by name; when none
    can, it is the first, with its failure. A mean that is NaN, where nothing could be predicted,
    comes last.
    """
    documents = evaluate_ratings(
        context, [prepared.fold for prepared in prepared_folds], candidates
    )
    every = [
        _rated(n, params, [d for d in documents if d["candidate"] == n])
        for n, params in enumerate(candidates)
    ]
    for one in every:
        if one.failure is not None:
            context.say(f"{one.name} is left out: {one.failure}")
    fitted = [one for one in every if one.failure is None]
    if not fitted:
        return every[0]
    names = dict(zip((one.name for one in every), run_names(candidates), strict=True))
    for one in fitted:
        context.say(f"{one.name}: rmse {one.mean['rmse']:.4f}")
        with context.recorder.child(names[one.name], one.span) as run:
            log_settings(run, "als_explicit", one.params)
            run.set_tags({"candidate": one.name})
            log_figures(run, one)
    # NaN is not equal to itself, and would be the smallest by chance.
    return min(fitted, key=lambda one: (one.mean["rmse"] != one.mean["rmse"], one.mean["rmse"]))


def _rated(place: int, params: ExplicitParams, documents: Sequence[dict[str, Any]]) -> TrialResult:
    name, failed = f"als_explicit_{place + 1}", [d["failure"] for d in documents if "failure" in d]
    if failed:
        return TrialResult(name, params, (), failure=failed[0])
    not_metrics = ("candidate", "fold", *TIMED)
    folds = [{k: v for k, v in d.items() if k not in not_metrics} for d in documents]
    return TrialResult(name, params, tuple(folds), span=span_of(documents))


def evaluate_ratings(
    context: TuningContext, folds: Sequence[Fold], candidates: Sequence[ExplicitParams]
) -> list[dict[str, Any]]:
    """Returns a document per candidate and fold, in this order: figures of explicit_als.try_rating.

    Or `failure`, why it cannot be fitted.
    """
    is_here = context.fitter.engine.in_driver
    chunks = len(candidates)
    if not is_here:
        chunks = chunks_for(len(candidates), len(folds), context.slots)
    frames = {n: rating_frame(fold, context.item_index) for n, fold in enumerate(folds)}
    n_items = len(context.fitter.catalogue)
    work = rating_work(candidates, n_items, context.config.seed, chunks)
    if is_here:
        documents = in_threads({n: frame.toArrow() for n, frame in frames.items()}, chunks, work)
    else:
        documents = in_tasks(frames, chunks, work)
    return sorted(documents, key=lambda d: (d["candidate"], d["fold"]))
