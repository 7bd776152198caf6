"""Hyper-parameter search: every candidate on every fold, each a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sparkperso.recommend.exam import Exam, Metrics, Trial
from sparkperso.recommend.model import Recommender
from sparkperso.recorder import RunRecorder

DECIMALS = 6
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """A candidate and what came of it."""

    name: str
    candidate: Recommender
    folds: tuple[Metrics, ...]

    @property
    def mean(self) -> Metrics:
        """Returns the mean of each metric over the folds."""
        n = len(self.folds)
        return {k: round(sum(f[k] for f in self.folds) / n, DECIMALS) for k in self.folds[0]}


@dataclass(frozen=True)
class Search:
    """How candidates are tried: on which folds, by what, recorded where."""

    exams: Sequence[Exam]
    recorder: RunRecorder
    parallelism: int
    say: Say

    def run(self, candidates: Sequence[Recommender], trial: Trial, metric: str) -> list[Tried]:
        """Returns all candidates, tried on all folds, in their order; `metric` is the one shown.

        Up to `parallelism` are tried at the same time; each is a child run with its parameters,
        its metrics per fold (step 1 …) and their means (`mean_<metric>`).
        """
        names = [f"{c.strategy}_{n}" for n, c in enumerate(candidates, 1)]

        def one(pair: tuple[str, Recommender]) -> Tried:
            tried = self._try(*pair, trial)
            self.say(f"{tried.name}: {metric} {tried.mean[metric]:.4f}")
            return tried

        with ThreadPoolExecutor(self.parallelism) as pool:
            return list(pool.map(one, zip(names, candidates, strict=True)))

    def _try(self, name: str, candidate: Recommender, trial: Trial) -> Tried:
        with self.recorder.child(name) as run:
            run.log_params({"strategy": candidate.strategy, **candidate.settings})
            folds = []
            for number, exam in enumerate(self.exams, 1):
                metrics = trial(candidate, exam)
                run.log_metrics(metrics, step=number)
                folds.append(metrics)
            tried = Tried(name, candidate, tuple(folds))
            run.log_metrics({f"mean_{key}": value for key, value in tried.mean.items()})
        return tried


def best_of(tried: Sequence[Tried], metric: str, smallest: bool = False) -> Tried:
    """Returns the candidate with the largest (or smallest) mean; of equal ones the first."""
    sign = 1 if smallest else -1
    return min(tried, key=lambda one: sign * one.mean[metric])
