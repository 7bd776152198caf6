"""Hyper-parameter search: every candidate on every fold, many at a time, each a recorded run.

1. What a known bound forbids is left out before any work.
2. With rungs (successive halving), all are tried on a part of the users with a part of the
   iterations first, and the better part of each model goes on (`halving`).
3. Who is left is tried in full. Where none of a model can be fitted then, the best of those that
   were given up takes their place.
4. Fits that one process holds are spread over tasks (or threads, for folds in this process), by
   fold and chunk of candidates; the others run across tasks, one after the other.
5. Each candidate becomes a result with its means, and a child run of the recorder.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark import Broadcast

from sparkperso.config.recommend.section import RungConfig
from sparkperso.core.reporting import Count, Say, no_count
from sparkperso.platform.run_recorder import RunRecorder
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.distributed_trial import try_in_frames
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.fit_strategy import Fitter
from sparkperso.recommend.fit.task_runner import chunks_for
from sparkperso.recommend.fit.trial import Broadcasts, fit_groups, trial_work
from sparkperso.recommend.tune.folds_at_work import worked
from sparkperso.recommend.tune.halving import budget_text, on_budget, survivors
from sparkperso.recommend.tune.live_report import LiveReport
from sparkperso.recommend.tune.plots import comparison_figure, fit_figures
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.trial_result import (
    TIMED,
    Metrics,
    TrialResult,
    log_figures,
    mean_of,
    span_of,
)

AnyFold = PreparedFold | DriverFold
Documents = dict[int, list[dict[str, Any]]]
"""Place of a candidate → what each of its trials gave, in the order of the folds."""
NO_METRICS = ("candidate", "fold", "curve", "iterations", *TIMED)


@dataclass(frozen=True)
class SearchPlan:
    """How thoroughly candidates are tried."""

    slots: int
    """Tasks that run at the same time."""
    rungs: tuple[RungConfig, ...] = ()
    """What candidates are tried on before they are tried in full, one after the other."""
    patience: int | None = None
    """Looks without a gain after which an iterative fit is stopped; None: never."""


@dataclass
class Search:
    """Tries candidates on folds: in tasks, or in this process where the folds are in its memory."""

    prepared_folds: Sequence[AnyFold]
    shared: Broadcast[Broadcasts]
    plan: SearchPlan
    recorder: RunRecorder
    say: Say
    metric: str
    fitter: Fitter
    count: Count = no_count
    _failed: dict[int, str] = field(default_factory=dict)
    _rungs: dict[int, list[Metrics]] = field(default_factory=dict)
    """Place → means of its folds on each rung."""
    _tried: Documents = field(default_factory=dict)
    """Place → all trials in the order of their ends, on rungs and in full."""
    _live: LiveReport = field(init=False)

    def run(self, candidates: Sequence[Any]) -> list[TrialResult]:
        """Returns all candidates, in their order; each is a child run with its figures.

        What cannot be fitted has a `failure` instead of figures, and what is given up those of its
        rungs alone; bounds are named before any work. Raises what is no failure of a model
        (`fit_failures.FAILURES`).
        """
        places = range(len(candidates))
        self._failed = {p: why for p in places if (why := self.fitter.obstacle(candidates[p]))}
        self._rungs, self._tried = {place: [] for place in places}, {place: [] for place in places}
        for place, why in self._failed.items():
            self.say(f"{_name(place, candidates[place])} is left out: {why}")
        names = [_name(place, params) for place, params in enumerate(candidates)]
        self._live = LiveReport(names, len(self.prepared_folds), self.metric, self.say, self.count)
        alive = [place for place in places if place not in self._failed]
        for rung in self.plan.rungs:
            alive = self._climb(candidates, alive, rung)
        documents = self._try_in_full(candidates, alive)
        results = [
            self._result(place, params, documents.get(place, []))
            for place, params in enumerate(candidates)
        ]
        for one, run_name in zip(results, run_names(candidates), strict=True):
            self._record(one, run_name)
        complete = [one for one in results if one.failure is None and not one.is_dropped]
        if complete:
            self.recorder.log_figure(comparison_figure(complete, self.metric), "candidates.png")
        for figure, name in fit_figures(complete, self.metric):
            self.recorder.log_figure(figure, name)
        return results

    def _climb(self, candidates: Sequence[Any], alive: list[int], rung: RungConfig) -> list[int]:
        """Tries candidates on a rung; returns those that go on.

        Who is the only one of a model goes on without; where nobody is judged, all do.
        """
        of_model = Counter(candidates[place].model for place in alive)
        alone = [place for place in alive if of_model[candidates[place].model] == 1]
        rivals = [place for place in alive if place not in alone]
        if not rivals:
            return alive
        budget = budget_text(rung)
        self._live.begin(len(rivals) * len(self.prepared_folds), budget)
        cheap = [on_budget(params, rung) for params in candidates]
        samples = [prepared.sampled(rung.users) for prepared in self.prepared_folds]
        tried = self._try(cheap, rivals, samples)
        means = {place: mean_of(_metrics(documents)) for place, documents in tried.items()}
        if means and not any(own.get("n_judged") for own in means.values()):
            # Nothing tells them apart: the first would go on, not the better.
            self.say(f"All {len(means)} candidates go on: nobody can be judged {budget}")
            return sorted([*alone, *means])
        for place, own in means.items():
            self._rungs[place].append(own)
        values = {place: own[self.metric] for place, own in means.items()}
        going_on = survivors(values, {p: candidates[p].model for p in values}, rung.keep)
        self.say(f"{len(going_on)} of {len(values)} candidates go on, by what they were {budget}")
        return sorted([*alone, *going_on])

    def _try_in_full(self, candidates: Sequence[Any], alive: list[int]) -> Documents:
        """Returns what the candidates gave on all folds, and who took the place of the failed."""
        tried: Documents = {}
        while alive:
            self._live.begin(len(alive) * len(self.prepared_folds))
            tried |= self._try(candidates, alive, self.prepared_folds)
            alive = self._stand_ins(candidates, tried)
        return tried

    def _stand_ins(self, candidates: Sequence[Any], tried: Documents) -> list[int]:
        """Returns, of each model none of which could be fitted in full, the best given up."""
        fitted = {candidates[place].model for place in tried}
        best: dict[str, int] = {}
        for place, rungs in self._rungs.items():
            model = candidates[place].model
            if rungs and place not in self._failed and model not in fitted:
                best[model] = max(best.get(model, place), place, key=self._standing)
        return sorted(best.values())

    def _standing(self, place: int) -> tuple[int, float, int]:
        """Returns what the largest of came furthest: rungs, figure on the last, first of equals."""
        rungs = self._rungs[place]
        return len(rungs), rungs[-1][self.metric], -place

    def _try(
        self, candidates: Sequence[Any], alive: list[int], folds: Sequence[AnyFold]
    ) -> Documents:
        """Returns what the candidates at some places gave on the folds; failures are noted."""
        found: Documents = {place: [] for place in alive}

        def keep(place: int, fold: int, document: dict[str, Any]) -> None:
            if "failure" in document:
                why = f"{document['failure']} (on {folds[fold].fold.name})"
                self._failed.setdefault(place, why)
            else:
                found[place].append({**document, "fold": fold})
                self._tried[place].append(document)

        whole = [place for place in alive if self.fitter.engine.is_whole(candidates[place])]
        for document in self._try_whole(candidates, whole, folds):
            keep(whole[document["candidate"]], document["fold"], document)
        for place in alive:
            if place not in whole:
                for fold, prepared in enumerate(folds):
                    document = self._attempt(candidates[place], prepared)
                    self._live.add(place, fold, document)
                    keep(place, fold, document)
        return {
            place: sorted(documents, key=lambda d: int(d["fold"]))
            for place, documents in found.items()
            if place not in self._failed
        }

    def _try_whole(
        self, candidates: Sequence[Any], places: list[int], folds: Sequence[AnyFold]
    ) -> list[dict[str, Any]]:
        if not places:
            return []
        chosen = [candidates[place] for place in places]
        # Here a chunk costs nothing; a task copies the fold's rows.
        chunks = len(fit_groups(chosen, self.plan.patience))
        if not all(isinstance(fold, DriverFold) for fold in folds):
            chunks = chunks_for(chunks, len(folds), self.plan.slots)
        work = trial_work(self.shared, chosen, chunks, self.plan.patience)

        def on_done(document: dict[str, Any]) -> None:
            self._live.add(places[document["candidate"]], document["fold"], document)

        return worked(dict(enumerate(folds)), chunks, work, on_done)

    def _attempt(self, params: Any, prepared: AnyFold) -> dict[str, Any]:
        assert isinstance(prepared, PreparedFold), "the kernel fits everything whole"
        began = time.time()
        try:
            figures = try_in_frames(params, prepared, self.fitter)
        except FAILURES as error:
            return {"failure": reason_of(error)}
        return {**figures, "began": began, "ended": time.time()}

    def _result(self, place: int, params: Any, documents: Sequence[dict[str, Any]]) -> TrialResult:
        """Returns a candidate's result; where folds stopped early, with their mean of iterations.

        A refit has no fold to stop by: it takes as many iterations as did best on average.
        """
        name, failure = _name(place, params), self._failed.get(place)
        if failure is not None:
            return TrialResult(name, params, (), failure=failure)
        stops = [d["iterations"] for d in documents if d.get("iterations")]
        if stops:
            params = params.model_copy(update={"max_iter": max(1, round(float(np.mean(stops))))})
        return TrialResult(
            name,
            params,
            _metrics(documents),
            is_dropped=not documents,
            curves=tuple(d.get("curve", {}) for d in documents),
            rungs=tuple(self._rungs[place]),
            span=span_of(self._tried[place]),
        )

    def _record(self, result: TrialResult, run_name: str) -> None:
        with self.recorder.child(run_name, result.span) as run:
            log_settings(run, result.params.model, result.params)
            run.set_tags({"candidate": result.name, "dropped": result.is_dropped})
            run.set_tags({"left_out": result.failure or "no"})
            if result.is_dropped:
                number = len(result.rungs)
                budget = budget_text(self.plan.rungs[number - 1])
                run.set_tags({"rung": number, "budget": budget})
            log_figures(run, result)
            for number, curve in enumerate(result.curves, 1):
                for iteration, value in curve.items():
                    name = f"fold_{number}_{self.metric}_by_iteration"
                    run.log_metrics({name: value}, step=int(iteration))


def _metrics(documents: Sequence[dict[str, Any]]) -> tuple[Metrics, ...]:
    return tuple({k: v for k, v in d.items() if k not in NO_METRICS} for d in documents)


def _name(place: int, params: Any) -> str:
    return f"{params.model}_{place + 1}"
