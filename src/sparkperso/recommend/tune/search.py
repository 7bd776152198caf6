"""Hyper-parameter search: every candidate on every fold, many at a time, each a recorded run.

1. What a known bound forbids is left out before any work.
2. Fits that one process holds are spread over tasks (or threads, for folds in this process), by
   fold and chunk of candidates; the others run across tasks, one after the other.
3. With `drop_below`, folds are gone through one at a time, and candidates far below the best of
   their model are given up in between.
4. Each candidate becomes a result with its means, and a child run of the recorder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark import Broadcast

from sparkperso.config.recommend.criterion import METRICS, metric_name
from sparkperso.config.recommend.models import HybridParams
from sparkperso.config.recommend.section import HybridConfig
from sparkperso.core.errors import JobError
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.recommend.arrays.histories import Floats
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.blend_weights import (
    BlendSums,
    blend_work,
    choose_weights,
    cross_fitted_means,
    weight_grid,
)
from sparkperso.recommend.fit.distributed_trial import blend_in_frames, try_in_frames
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.fit_strategy import Fitter
from sparkperso.recommend.fit.task_runner import (
    OnDone,
    chunks_for,
    ignore,
    in_tasks,
    in_threads,
)
from sparkperso.recommend.fit.trial import Broadcasts, Work, fit_groups, trial_work
from sparkperso.recommend.tune.plots import comparison_figure, fit_figures
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.trial_result import (
    TIMED,
    Metrics,
    TrialResult,
    log_figures,
    span_of,
)

DECIMALS = 6


@dataclass(frozen=True)
class SearchPlan:
    """How thoroughly candidates are tried."""

    slots: int
    """Tasks that run at the same time."""
    drop_below: float | None = None
    """After each fold, candidates below this share of the best of their model so far are given
    up; None: never."""
    patience: int | None = None
    """Looks without a gain after which an iterative fit is stopped; None: never."""


@dataclass
class Search:
    """Tries candidates on folds: in tasks, or in this process where the folds are in its memory."""

    prepared_folds: Sequence[PreparedFold | DriverFold]
    shared: Broadcast[Broadcasts]
    plan: SearchPlan
    recorder: RunRecorder
    say: Say
    metric: str
    fitter: Fitter
    count: Count = no_count
    _documents: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _failed: dict[int, str] = field(default_factory=dict)
    _live: LiveReport = field(init=False)

    def run(self, candidates: Sequence[Any]) -> list[TrialResult]:
        """Returns all candidates, in their order; each is a child run with its figures.

        Without `drop_below` all folds are tried in one Spark job, else one after the other. What
        cannot be fitted has a `failure` instead of figures; bounds are named before any work.
        Raises what is no failure of a model (`fit_failures.FAILURES`).
        """
        self._documents = {place: [] for place in range(len(candidates))}
        self._failed = {
            p: why for p in self._documents if (why := self.fitter.obstacle(candidates[p]))
        }
        for place, why in self._failed.items():
            self.say(f"{_name(place, candidates[place])} is left out: {why}")
        alive = [place for place in self._documents if place not in self._failed]
        names = [_name(place, params) for place, params in enumerate(candidates)]
        self._live = LiveReport(names, len(self.prepared_folds), self.metric, self.say, self.count)
        every_fold = list(range(len(self.prepared_folds)))
        rounds = [every_fold]
        if self.plan.drop_below is not None:
            rounds = [[fold] for fold in every_fold]
        for folds in rounds:
            self._try(candidates, alive, folds)
            alive = self._promising(candidates, alive)
        results = [self._result(place, params) for place, params in enumerate(candidates)]
        for one, run_name in zip(results, run_names(candidates), strict=True):
            self._record(one, run_name)
        fitted = [one for one in results if one.failure is None]
        if fitted:
            self.recorder.log_figure(comparison_figure(fitted, self.metric), "candidates.png")
        for figure, name in fit_figures(fitted, self.metric):
            self.recorder.log_figure(figure, name)
        return results

    def _try(self, candidates: Sequence[Any], alive: list[int], folds: list[int]) -> None:
        """Tries the candidates at some places on some folds, and keeps their documents."""
        self._live.begin(len(alive) * len(folds))
        whole = [place for place in alive if self.fitter.engine.is_whole(candidates[place])]
        self._try_whole(candidates, whole, folds)
        for place in alive:
            if place not in whole:
                for fold in folds:
                    document = self._attempt(candidates[place], fold)
                    self._live.add(place, fold, document)
                    self._keep(place, fold, document)

    def _try_whole(self, candidates: Sequence[Any], places: list[int], folds: list[int]) -> None:
        if not places:
            return
        chosen = [candidates[place] for place in places]
        is_here = all(isinstance(self.prepared_folds[fold], DriverFold) for fold in folds)
        # Here a chunk costs nothing; a task copies the fold's rows.
        chunks = len(fit_groups(chosen, self.plan.patience))
        if not is_here:
            chunks = chunks_for(chunks, len(folds), self.plan.slots)
        work = trial_work(self.shared, chosen, chunks, self.plan.patience)
        prepared = {fold: self.prepared_folds[fold] for fold in folds}

        def on_done(document: dict[str, Any]) -> None:
            self._live.add(places[document["candidate"]], document["fold"], document)

        for document in _worked(prepared, chunks, work, on_done):
            self._keep(places[document["candidate"]], document["fold"], document)

    def _attempt(self, params: Any, fold: int) -> dict[str, Any]:
        prepared = self.prepared_folds[fold]
        assert isinstance(prepared, PreparedFold), "the kernel fits everything whole"
        began = time.time()
        try:
            figures = try_in_frames(params, prepared, self.fitter)
        except FAILURES as error:
            return {"failure": reason_of(error)}
        return {**figures, "began": began, "ended": time.time()}

    def _keep(self, place: int, fold: int, document: dict[str, Any]) -> None:
        if "failure" in document:
            why = f"{document['failure']} (on {self.prepared_folds[fold].fold.name})"
            self._failed.setdefault(place, why)
        else:
            self._documents[place].append({**document, "fold": fold})

    def _promising(self, candidates: Sequence[Any], alive: list[int]) -> list[int]:
        """Returns the candidates that may still win among those of their model."""
        alive = [place for place in alive if place not in self._failed]
        if self.plan.drop_below is None:
            return alive
        means = {
            place: float(np.mean([d[self.metric] for d in self._documents[place]]))
            for place in alive
        }
        best: dict[str, float] = {}
        for place, mean in means.items():
            model = candidates[place].model
            best[model] = max(best.get(model, 0.0), mean)
        # Of its own model's best, not of all: each model gets its best settings.
        bar = self.plan.drop_below
        return [p for p, mean in means.items() if mean >= bar * best[candidates[p].model]]

    def _result(self, place: int, params: Any) -> TrialResult:
        """Returns a candidate's result; where folds stopped early, with their mean of iterations.

        A refit has no fold to stop by: it takes as many iterations as did best on average.
        """
        name, failure = _name(place, params), self._failed.get(place)
        if failure is not None:
            return TrialResult(name, params, (), failure=failure)
        documents = sorted(self._documents[place], key=lambda d: d["fold"])
        stops = [d["iterations"] for d in documents if d.get("iterations")]
        if stops:
            params = params.model_copy(update={"max_iter": max(1, round(float(np.mean(stops))))})
        not_metrics = ("candidate", "fold", "curve", "iterations", *TIMED)
        folds = tuple({k: v for k, v in d.items() if k not in not_metrics} for d in documents)
        is_dropped = len(folds) < len(self.prepared_folds)
        curves = tuple(d.get("curve", {}) for d in documents)
        return TrialResult(name, params, folds, is_dropped, curves, span=span_of(documents))

    def _record(self, result: TrialResult, run_name: str) -> None:
        with self.recorder.child(run_name, result.span) as run:
            log_settings(run, result.params.model, result.params)
            run.set_tags({"candidate": result.name, "dropped": result.is_dropped})
            run.set_tags({"left_out": result.failure or "no"})
            log_figures(run, result)
            for number, curve in enumerate(result.curves, 1):
                for iteration, value in curve.items():
                    name = f"fold_{number}_{self.metric}_by_iteration"
                    run.log_metrics({name: value}, step=int(iteration))
        if result.is_dropped:
            mean, n_folds = result.mean[self.metric], len(result.folds)
            self.say(f"{result.name}: {self.metric} {mean:.4f}, given up after {n_folds} folds")


class LiveReport:
    """Shows each trial as it ends, and each candidate with its last one, from any thread."""

    def __init__(
        self, names: Sequence[str], n_folds: int, metric: str, say: Say, count: Count
    ) -> None:
        self._names, self._n_folds, self._metric = names, n_folds, metric
        self._say, self._count = say, count
        self._values: dict[int, dict[int, float]] = {place: {} for place in range(len(names))}
        self._ended: set[tuple[int, int]] = set()
        self._left_out: set[int] = set()
        self._total = 0
        self._lock = threading.Lock()

    def begin(self, n_trials: int) -> None:
        """Shows that so many trials more are to come."""
        self._total = len(self._ended) + n_trials
        self._count(len(self._ended), self._total, "trials")

    def add(self, place: int, fold: int, document: Mapping[str, Any]) -> None:
        """Shows a trial's end: a task that Spark carries out twice is shown once."""
        with self._lock:
            if (place, fold) in self._ended:
                return
            self._ended.add((place, fold))
            self._count(len(self._ended), self._total, "trials")
            if "failure" in document:
                if place not in self._left_out:
                    self._left_out.add(place)
                    self._say(f"{self._names[place]} is left out: {document['failure']}")
                return
            values = self._values[place]
            values[fold] = document[self._metric]
            if len(values) == self._n_folds:
                # As TrialResult.mean rounds: the same candidate is shown with the same digits.
                mean = round(sum(values.values()) / len(values), DECIMALS)
                self._say(f"{self._names[place]}: {self._metric} {mean:.4f}")


def _name(place: int, params: Any) -> str:
    return f"{params.model}_{place + 1}"


def _worked(
    prepared_folds: Mapping[int, PreparedFold | DriverFold],
    chunks: int,
    work: Work,
    on_done: OnDone = ignore,
) -> list[Any]:
    """Returns what work gives for each fold and chunk, done where the folds are."""
    here = {
        fold: prepared.in_memory
        for fold, prepared in prepared_folds.items()
        if isinstance(prepared, DriverFold)
    }
    frames = {
        fold: prepared.profiles
        for fold, prepared in prepared_folds.items()
        if isinstance(prepared, PreparedFold)
    }
    if here:
        return in_threads(here, chunks, work, on_done)
    return in_tasks(frames, chunks, work, on_done)


def learn_blend(
    prepared_folds: Sequence[PreparedFold | DriverFold],
    shared: Broadcast[Broadcasts],
    parts: Sequence[Any],
    fitter: Fitter,
    config: HybridConfig,
) -> tuple[HybridParams, list[Metrics]]:
    """Returns the blend whose weights ranked best on the folds, and the mean metrics on each.

    The means are those of `blend_weights.cross_fitted_means`, and may be held against a part's
    figures: the mean over folds of the mean over users. A bucket of histories with fewer than
    `min_bucket_users` judged users shares the weights that are best for all. Raises JobError when
    the parts cannot be fitted beside each other.
    """
    grid = weight_grid(len(parts), config.steps)
    # Rounded, so that the order in which users were added up does not choose between equals.
    every = [
        (users, np.round(sums, 9))
        for users, sums in _blend_sums(prepared_folds, shared, parts, fitter, grid)
    ]
    criterion, min_users = prepared_folds[0].criterion, config.min_bucket_users
    folds = [(users, sums[METRICS.index(criterion.metric)]) for users, sums in every]
    users, sums = (np.sum(own, axis=(0, 1)) for own in zip(*folds, strict=True))
    weights = choose_weights(users, sums, grid, min_users)
    means: list[Metrics] = [{} for _ in folds]
    for place, metric in enumerate(METRICS):
        shown = [sums[place] for _, sums in every]
        by_fold = cross_fitted_means(folds, grid, min_users, shown)
        for own, mean in zip(means, by_fold, strict=True):
            own[metric_name(metric, criterion.k)] = round(mean, DECIMALS)
    return HybridParams(parts=tuple(parts), weights=weights), means


def _blend_sums(
    prepared_folds: Sequence[PreparedFold | DriverFold],
    shared: Broadcast[Broadcasts],
    parts: Sequence[Any],
    fitter: Fitter,
    grid: Floats,
) -> list[BlendSums]:
    """Returns each fold's sums: from one task a fold where all parts are fitted in one."""
    if not all(fitter.engine.is_whole(params) for params in parts):
        framed = [prepared for prepared in prepared_folds if isinstance(prepared, PreparedFold)]
        return [blend_in_frames(parts, prepared, fitter, grid) for prepared in framed]
    documents = _worked(dict(enumerate(prepared_folds)), 1, blend_work(shared, parts, grid))
    failed = [document["failure"] for document in documents if "failure" in document]
    if failed:
        raise JobError("A blend's parts should be fitted beside each other in one task", failed[0])
    documents.sort(key=lambda document: document["fold"])
    return [(np.array(d["users"]), np.array(d["sums"])) for d in documents]
