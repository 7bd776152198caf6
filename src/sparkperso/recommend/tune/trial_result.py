"""A candidate of a search, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkperso.platform.run_recorder import RunRecorder, Span

Metrics = dict[str, float]
TIMED = ("began", "ended")
"""Keys of a trial's document: seconds since 1970."""
DECIMALS = 6


@dataclass(frozen=True)
class TrialResult:
    """A candidate and its figures on the folds, or why it has none."""

    name: str
    params: Any
    folds: tuple[Metrics, ...]
    """Metrics and timings on each fold that it was tried on, in time order."""
    is_dropped: bool = False
    """Whether it was given up on a part of the data; it has no figures of the folds then."""
    curves: tuple[Mapping[str, float], ...] = ()
    """Per fold: iteration → validation metric, where iterations were watched."""
    failure: str | None = None
    """Why it could not be fitted, on all folds or one of them; it has no figures then."""
    rungs: tuple[Metrics, ...] = ()
    """Means over the folds on each rung of successive halving: of parts of the data, and not to be
    held against others' figures of the folds."""
    span: Span | None = field(default=None, compare=False)
    """When its first trial began and its last one ended."""

    @property
    def mean(self) -> Metrics:
        """Returns the mean of each metric over the folds that have it."""
        return mean_of(self.folds)


def mean_of(folds: Sequence[Metrics]) -> Metrics:
    """Returns the mean of each metric over the folds that have it."""
    names = {name: None for fold in folds for name in fold}
    values = {n: [fold[n] for fold in folds if n in fold] for n in names}
    return {n: round(sum(v) / len(v), DECIMALS) for n, v in values.items()}


def best_of(results: Sequence[TrialResult], metric: str) -> TrialResult:
    """Returns the candidate with the largest mean, of equal ones the first.

    Of those that were tried on all folds; raises ValueError without any.
    """
    complete = [one for one in results if one.failure is None and not one.is_dropped]
    return max(complete, key=lambda one: one.mean[metric])


def span_of(documents: Sequence[Mapping[str, Any]]) -> Span | None:
    """Returns when the first of these trials began and the last one ended; None without any."""
    if not documents:
        return None
    return min(d["began"] for d in documents), max(d["ended"] for d in documents)


def log_figures(run: RunRecorder, result: TrialResult) -> None:
    """Keeps each figure under its own name, the mean over folds, and the folds as steps.

    `<name>_by_fold` has a step per fold, from 1; so a table of runs compares means, and a curve of
    one run shows how steady it is. Figures of rungs are `rung_<number>_<name>`.
    """
    run.log_metrics(result.mean)
    for number, metrics in enumerate(result.rungs, 1):
        run.log_metrics({f"rung_{number}_{name}": own for name, own in metrics.items()})
    for number, metrics in enumerate(result.folds, 1):
        run.log_metrics({f"{name}_by_fold": own for name, own in metrics.items()}, step=number)
