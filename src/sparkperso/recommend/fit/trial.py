"""One candidate on one fold, in one process: fit, list, judge.

1. A fold's rows become sparse matrices (`read_fold`); where they are in memory, they stay.
2. Candidates are grouped by the fit that they share (`fit_groups`), and each group is fitted once.
3. Each candidate lists `k` items for everybody with relevant items, and is judged by them.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories, flat, read_histories
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.shared_fits import family_of, shared_fit
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting, Fitted, Scorer
from sparkperso.recommend.models.recency_prior import with_prior, without_prior
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth, Judgement, judge_lists
from sparkperso.recommend.scoring.top_n import Selection, best_items

Work = Callable[[int, int, Any], list[Any]]
"""(fold, chunk, rows of the fold: a table, or what was made of it) → documents to send back."""
if TYPE_CHECKING:
    from pyspark import Broadcast

SAMPLE = 500
"""Training users whose own history is scored, to show overfitting; the first in order of id."""
WATCH_EVERY = 2
"""Iterations between two looks at the validation metric."""


@dataclass(frozen=True)
class FoldInMemory:
    """A fold in memory: histories at its cut, relevant items after it, what may be listed."""

    users: Histories
    """Users with a history, and those with relevant items but none (cold users)."""
    truth: GroundTruth
    allowed: npt.NDArray[np.bool_]
    """Items that were known at the cut."""
    criterion: Criterion

    @property
    def k(self) -> int:
        """Length of the lists that are judged."""
        return self.criterion.k

    @property
    def training(self) -> Histories:
        """The users that models learn from: those with a history.

        The same for all candidates, which share what is worked out of it (its preferences).
        """
        return self.users.training

    @property
    def n_items(self) -> int:
        """Size of the catalogue that coverage is a share of."""
        return int(self.allowed.sum())

    def judge(self, model: Scorer) -> Judgement:
        """Returns the judgement of the model's lists of k items, of all users with relevant items.

        What a user had before the cut, and items unknown at it, are not listed.
        """
        rows = np.flatnonzero(self.truth.counts > 0)
        judged_users = self.users.take(rows)
        lists = best_items(model, judged_users, Selection(self.k, self.allowed))
        return judge_lists(lists, judged_users, self.truth.take(rows))

    def training_value(self, model: Fitted) -> float:
        """Returns the criterion on training users' own history: high where a model over-fits."""
        sample = self.users.take(np.flatnonzero(self.users.lengths > 0)[:SAMPLE])
        own = GroundTruth(sample.likes, sample.lengths)
        # Seen items may be listed here: they are what the model should know too well.
        lists = best_items(model, sample, Selection(self.k, with_seen=True))
        judged = judge_lists(lists, sample, own)
        return round(
            float(judged.sums[self.criterion.metric].sum() / max(judged.users.sum(), 1)), 6
        )


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
        """Returns the model with its metrics on the fold, and the seconds that judging took."""
        start = perf_counter()
        metrics = prepared.judge(model).means(prepared.criterion, prepared.n_items)
        return cls(model, metrics, fit_seconds, perf_counter() - start, iteration)


class EarlyStopping:
    """Stops an iterative fit when the validation metric has not grown for `patience` looks.

    A look is every WATCH_EVERY iterations, and after the last. To be called after each iteration.
    """

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
        metric = self.prepared.criterion.name
        self.curve[iteration] = look.metrics[metric]
        if self.best is None or look.metrics[metric] > self.best.metrics[metric]:
            self.best = look
        return iteration - (self.best.iteration or 0) < self.patience * WATCH_EVERY


def peak_rss_mb() -> float:
    """Returns the largest memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def try_candidates(
    candidates: Sequence[Any],
    prepared: FoldInMemory,
    catalogue: Catalogue,
    setting: FitSetting,
    patience: int | None,
) -> list[dict[str, Any]]:
    """Returns the figures of `try_candidate` of a group of `fit_groups`, in their order.

    What they share is worked out once, and its time is part of each one's fit_seconds. Raises what
    working it out raises; one of several that cannot be fitted or judged has `failure`, why.
    """
    if len(candidates) == 1:
        return [try_candidate(candidates[0], prepared, catalogue, setting, patience)]
    users, start = prepared.training.latest(setting.max_user_items), perf_counter()
    fit = shared_fit(candidates, users, catalogue, setting)
    seconds_shared = perf_counter() - start
    documents: dict[int, dict[str, Any]] = {}

    def judge(place: int, inner: Fitted, seconds_before: float) -> dict[str, Any]:
        start = perf_counter()
        try:
            model = with_prior(inner, users, candidates[place].prior_half_life_days)
            seconds = seconds_before + perf_counter() - start
            return _document(Checkpoint.at(prepared, model, seconds), prepared, {})
        except FAILURES as error:
            return {"failure": reason_of(error)}

    for same in _alike(candidates, without_prior):
        start = perf_counter()
        try:
            inner = fit(candidates[same[0]])
        except FAILURES as error:
            documents |= {place: {"failure": reason_of(error)} for place in same}
            continue
        seconds = seconds_shared + perf_counter() - start
        documents |= {place: judge(place, inner, seconds) for place in same}
    return [documents[place] for place in range(len(candidates))]


def fit_groups(candidates: Sequence[Any], patience: int | None) -> list[list[int]]:
    """Returns the places of candidates, those together that share a fit or a part of it.

    `shared_fits.family_of` tells. A fit that is watched stops by its own figures, and is shared
    with no other.
    """
    is_watched = [bool(patience and getattr(params, "max_iter", None)) for params in candidates]
    return _alike(
        list(enumerate(candidates)),
        lambda one: one[0] if is_watched[one[0]] else family_of(one[1]),
    )


def _alike(them: Sequence[Any], key: Callable[[Any], Any]) -> list[list[int]]:
    """Returns the places of those that have a key in common, in the order of the first of each."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(them):
        groups.setdefault(key(one), []).append(place)
    return list(groups.values())


def try_candidate(
    params: Any,
    prepared: FoldInMemory,
    catalogue: Catalogue,
    setting: FitSetting,
    patience: int | None,
) -> dict[str, Any]:
    """Returns one candidate's figures on a fold: metrics, fit_seconds, score_seconds, peak_rss_mb.

    Beside them `curve`, iteration → metric, and `train_<criterion>`, which shows overfitting. With
    `patience`, iterative models stop when the metric has not grown for so many looks; then all
    figures are those of the look that did best, `iterations` its number of iterations. Raises what
    fitting raises.
    """
    last = getattr(params, "max_iter", None)
    watch = EarlyStopping(prepared, patience, last) if patience and last else None
    start = perf_counter()
    model = fit_model(params, prepared.training, catalogue, replace(setting, watch=watch))
    fit_seconds = perf_counter() - start
    # The best look's model, not the last one's, is the one whose figures these are.
    look = (watch and watch.best) or Checkpoint.at(prepared, model, fit_seconds)
    return _document(look, prepared, watch.curve if watch else {})


def _document(look: Checkpoint, prepared: FoldInMemory, curve: dict[int, float]) -> dict[str, Any]:
    return {
        **look.metrics,
        f"train_{prepared.criterion.name}": prepared.training_value(look.model),
        "fit_seconds": look.fit_seconds,
        "score_seconds": look.score_seconds,
        "peak_rss_mb": peak_rss_mb(),
        "curve": curve,
        "iterations": look.iteration,
    }


@dataclass(frozen=True)
class Broadcasts:
    """What every task holds: item-sized."""

    catalogue: Catalogue
    allowed: Mapping[int, np.ndarray[Any, Any]]
    """Fold → items that were known at its cut."""
    criterion: Criterion
    setting: FitSetting


def trial_work(
    shared: Broadcast[Broadcasts], candidates: Sequence[Any], chunks: int, patience: int | None
) -> Work:
    """Returns the work that tries every `chunks`-th group of `fit_groups` on a fold.

    A document per candidate: its place among them as `candidate`, `fold`, what `try_candidate`
    gives, and when the work on its group `began` and `ended` (seconds since 1970). That of one that
    cannot be fitted holds `failure`, why, and no figures.
    """

    def work(fold: int, chunk: int, table: pa.Table) -> list[Any]:
        held = shared.value
        prepared = read_fold(table, fold, held)

        def attempt(places: list[int]) -> list[dict[str, Any]]:
            group, began = [candidates[place] for place in places], time()
            arguments = (prepared, held.catalogue, held.setting, patience)
            try:
                documents = try_candidates(group, *arguments)
            except FAILURES as error:
                return [{"failure": reason_of(error)}] * len(places)
            return [{**document, "began": began, "ended": time()} for document in documents]

        return [
            {"candidate": place, "fold": fold, **document}
            for places in fit_groups(candidates, patience)[chunk::chunks]
            for place, document in zip(places, attempt(places), strict=True)
        ]

    return work


def read_fold(table: pa.Table | FoldInMemory, fold: int, shared: Broadcasts) -> FoldInMemory:
    """Returns a fold's rows (profile columns, relevant, n_relevant) as arrays, users by their ids.

    A fold that is in memory already is returned as it is.
    """
    if isinstance(table, FoldInMemory):
        return table
    n_items = len(shared.catalogue)
    ordered = table.sort_by("user_id")
    indptr, items = flat(ordered, "relevant", np.int32)
    hits = csr_matrix(
        (np.ones(len(items), np.float32), items, indptr), shape=(len(ordered), n_items)
    )
    counts = ordered.column("n_relevant").fill_null(0).to_numpy().astype(np.int64)
    users = read_histories(ordered, n_items)
    return FoldInMemory(users, GroundTruth(hits, counts), shared.allowed[fold], shared.criterion)
