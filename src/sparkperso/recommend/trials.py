"""One candidate on one fold, in one process: fit, list, judge."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.histories import Histories
from sparkperso.recommend.judging import Answers, Judgement, judge_lists
from sparkperso.recommend.listing import Selection, best_items
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting, Fitted, Scorer

SAMPLE = 500
"""Training users whose own history is asked for, to show over-fitting."""
WATCH_EVERY = 2
"""Iterations between two looks at the validation metric."""


@dataclass(frozen=True)
class Examined:
    """A fold in memory: who is known, what they turned to, what could be recommended."""

    users: Histories
    """Users with a history, and those with right answers but none."""
    answers: Answers
    allowed: npt.NDArray[np.bool_]
    """Items that were known at the cut."""
    k: int

    @cached_property
    def training(self) -> Histories:
        """The users that models learn from: those with a history.

        Made once for all candidates, which share what is worked out of it (its Gram matrix).
        """
        return self.users.take(np.flatnonzero(np.diff(self.users.pairs.indptr) > 0))

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

    def recall_of_training(self, model: Fitted) -> float:
        """Returns the nDCG of some training users' own history: high where a model over-fits."""
        sample = self.users.take(np.flatnonzero(self.users.lengths > 0)[:SAMPLE])
        own = Answers(sample.likes, sample.lengths)
        lists = best_items(model, sample, Selection(self.k, with_seen=True))
        judged = judge_lists(lists, sample, own)
        return round(float(judged.sums["ndcg"].sum() / max(judged.users.sum(), 1)), 6)


class Watch:
    """Follows the validation metric over iterations, and says when more of them are of no use."""

    def __init__(self, exam: Examined, patience: int, last: int) -> None:
        self.exam, self.patience, self.last = exam, patience, last
        self.curve: dict[int, float] = {}

    def __call__(self, iteration: int, model: Fitted) -> bool:
        """Notes the metric; returns False when it has not grown for `patience` looks."""
        if iteration % WATCH_EVERY and iteration != self.last:
            return True
        judged = self.exam.judge(model)
        self.curve[iteration] = judged.means(self.exam.k, 1)[f"ndcg_at_{self.exam.k}"]
        best = max(self.curve, key=lambda n: (self.curve[n], -n))
        return iteration - best < self.patience * WATCH_EVERY

    @property
    def best(self) -> int | None:
        """Number of iterations with the largest metric; the smallest of equal ones."""
        return max(self.curve, key=lambda n: (self.curve[n], -n)) if self.curve else None


def peak_rss_mb() -> float:
    """Returns the largest memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def try_candidate(
    params: Any, exam: Examined, catalogue: Catalogue, setting: FitSetting, patience: int | None
) -> dict[str, Any]:
    """Returns what came of one candidate: metrics, fit_seconds, score_seconds, peak_rss_mb, curve.

    With `patience`, iterative models stop when the metric has not grown for so many looks, and
    `iterations` is the number that did best.
    """
    last = getattr(params, "max_iter", None)
    watch = Watch(exam, patience, last) if patience and last else None
    start = perf_counter()
    model = fit_model(params, exam.training, catalogue, replace(setting, watch=watch))
    fitted = perf_counter()
    metrics = exam.judge(model).means(exam.k, exam.n_items)
    if watch and watch.best:
        metrics[f"ndcg_at_{exam.k}"] = max(watch.curve[watch.best], metrics[f"ndcg_at_{exam.k}"])
    return {
        **metrics,
        f"train_ndcg_at_{exam.k}": exam.recall_of_training(model),
        "fit_seconds": fitted - start,
        "score_seconds": perf_counter() - fitted,
        "peak_rss_mb": peak_rss_mb(),
        "curve": watch.curve if watch else {},
        "iterations": watch.best if watch else None,
    }
