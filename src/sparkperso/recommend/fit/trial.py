"""One candidate on one fold, in one process: fit, list, judge."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting, Fitted, Scorer
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth, Judgement, judge_lists
from sparkperso.recommend.scoring.top_n import Selection, best_items

SAMPLE = 500
"""Training users whose own history is asked for, to show over-fitting."""
WATCH_EVERY = 2
"""Iterations between two looks at the validation metric."""


@dataclass(frozen=True)
class FoldInMemory:
    """A fold in memory: who is known, what they turned to, what could be recommended."""

    users: Histories
    """Users with a history, and those with right answers but none."""
    answers: GroundTruth
    allowed: npt.NDArray[np.bool_]
    """Items that were known at the cut."""
    k: int

    @property
    def training(self) -> Histories:
        """The users that models learn from: those with a history.

        The same for all candidates, which share what is worked out of it (its Gram matrix).
        """
        return self.users.training

    @property
    def n_items(self) -> int:
        """Size of the catalogue that coverage is a share of."""
        return int(self.allowed.sum())

    def judge(self, model: Scorer) -> Judgement:
        """Returns the judgement of the model's lists of all users with right answers."""
        rows = np.flatnonzero(self.answers.counts > 0)
        asked = self.users.take(rows)
        lists = best_items(model, asked, Selection(self.k, self.allowed))
        return judge_lists(lists, asked, self.answers.take(rows))

    def training_ndcg(self, model: Fitted) -> float:
        """Returns the nDCG of some training users' own history: high where a model over-fits."""
        sample = self.users.take(np.flatnonzero(self.users.lengths > 0)[:SAMPLE])
        own = GroundTruth(sample.likes, sample.lengths)
        lists = best_items(model, sample, Selection(self.k, with_seen=True))
        judged = judge_lists(lists, sample, own)
        return round(float(judged.sums["ndcg"].sum() / max(judged.users.sum(), 1)), 6)


@dataclass(frozen=True)
class Checkpoint:
    """A model on a fold, and what it is worth there: all figures are of this one model."""

    model: Fitted
    metrics: dict[str, float]
    fit_seconds: float
    """Seconds that fitting this model took, without looks at earlier ones."""
    score_seconds: float
    iteration: int | None = None
    """After how many iterations, where it was looked at while it was fitted."""

    @classmethod
    def at(
        cls, prepared: FoldInMemory, model: Fitted, fit_seconds: float, iteration: int | None = None
    ) -> Checkpoint:
        """Returns what the model is worth on the fold."""
        start = perf_counter()
        metrics = prepared.judge(model).means(prepared.k, prepared.n_items)
        return cls(model, metrics, fit_seconds, perf_counter() - start, iteration)


class EarlyStopping:
    """Follows the validation metric over iterations, and says when more of them are of no use."""

    def __init__(self, prepared: FoldInMemory, patience: int, last: int) -> None:
        self.prepared, self.patience, self.last = prepared, patience, last
        self.curve: dict[int, float] = {}
        self.best: Checkpoint | None = None
        """The look with the largest metric; the first of equal ones."""
        self._start, self._seconds = perf_counter(), 0.0

    def __call__(self, iteration: int, model: Fitted) -> bool:
        """Looks at the model; returns False when the metric has not grown for `patience` looks.

        The model is kept while no later one is better: it must not change afterwards.
        """
        if iteration % WATCH_EVERY and iteration != self.last:
            return True
        fit_seconds = perf_counter() - self._start - self._seconds
        look = Checkpoint.at(self.prepared, model, fit_seconds, iteration)
        self._seconds += look.score_seconds
        metric = f"ndcg_at_{self.prepared.k}"
        self.curve[iteration] = look.metrics[metric]
        if self.best is None or look.metrics[metric] > self.best.metrics[metric]:
            self.best = look
        return iteration - (self.best.iteration or 0) < self.patience * WATCH_EVERY


def peak_rss_mb() -> float:
    """Returns the largest memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def try_candidate(
    params: Any,
    prepared: FoldInMemory,
    catalogue: Catalogue,
    setting: FitSetting,
    patience: int | None,
) -> dict[str, Any]:
    """Returns what came of one candidate: metrics, fit_seconds, score_seconds, peak_rss_mb, curve.

    With `patience`, iterative models stop when the metric has not grown for so many looks; then all
    figures are those of the look that did best, `iterations` its number of iterations.
    """
    last = getattr(params, "max_iter", None)
    watch = EarlyStopping(prepared, patience, last) if patience and last else None
    start = perf_counter()
    model = fit_model(params, prepared.training, catalogue, replace(setting, watch=watch))
    fit_seconds = perf_counter() - start
    look = (watch and watch.best) or Checkpoint.at(prepared, model, fit_seconds)
    return {
        **look.metrics,
        f"train_ndcg_at_{prepared.k}": prepared.training_ndcg(look.model),
        "fit_seconds": look.fit_seconds,
        "score_seconds": look.score_seconds,
        "peak_rss_mb": peak_rss_mb(),
        "curve": watch.curve if watch else {},
        "iterations": look.iteration,
    }
