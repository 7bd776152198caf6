"""The library `implicit` beside our models: its ALS and its BM25 neighbours.

It is a library for one machine: its matrix, and the histories of the users of the test, are held in
the driver process. That is for comparing only; nothing else in this package does it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.core.errors import UsageError
from sparkperso.core.threads import one_thread
from sparkperso.platform.frames import cached
from sparkperso.recommend.arrays.histories import Histories, read_histories
from sparkperso.recommend.arrays.numbers import Singles
from sparkperso.recommend.benchmark.holdout import HoldoutTest, Result
from sparkperso.recommend.benchmark.memory import PeakMemory
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.trial import Broadcasts, FoldInMemory, read_fold
from sparkperso.recommend.lists.batch_scoring import INPUT
from sparkperso.recommend.models.base import nothing_where_zero
from sparkperso.recommend.scoring.lister import make_lists
from sparkperso.recommend.tune.trial_result import TrialResult, best_of

ALS, BM25 = "implicit_als", "implicit_bm25"
GRIDS: dict[str, dict[str, Sequence[Any]]] = {
    ALS: {"factors": (32, 64), "regularization": (0.1, 5.0), "alpha": (1.0, 5.0, 20.0)},
    BM25: {"K": (50, 200), "K1": (1.2,), "B": (0.25, 0.75)},
}
"""Tried in the same validation as our own."""


@dataclass(frozen=True)
class ImplicitParams:
    """Settings under the library's own names."""

    model: str
    settings: dict[str, Any]

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        """Returns everything as plain values."""
        return {"model": self.model, **self.settings}


@dataclass(frozen=True)
class ImplicitModel:
    """A fitted model of the library."""

    score: Callable[[csr_matrix], Any]
    """Users × items of strengths → users × items of scores."""

    def scores(self, users: Histories) -> Singles:
        """Returns users × items; -inf at and below 0, and for users without history."""
        scores = np.asarray(self.score(users.strengths), dtype=np.float32)
        return nothing_where_zero(np.where(users.lengths[:, None] > 0, scores, 0))


def require_implicit() -> None:
    """Raises UsageError when the library is not installed."""
    if find_spec("implicit") is None:
        raise UsageError(
            "--compare implicit runs the library 'implicit' beside our models",
            "It is not installed in this environment",
            "Install it (pip install 'sparkperso[compare]'), or leave --compare out",
        )


def implicit_candidates() -> dict[str, list[ImplicitParams]]:
    """Returns model → all combinations of its grid, in the grid's order."""
    return {
        model: [
            ImplicitParams(model, dict(zip(grid, values, strict=True)))
            for values in product(*grid.values())
        ]
        for model, grid in GRIDS.items()
    }


def tune_implicit(
    prepared_folds: Sequence[PreparedFold], shared: Broadcasts, seed: int
) -> dict[str, TrialResult]:
    """Returns the best candidate of each model by the mean criterion on the folds.

    Each fold is collected to the driver.
    """
    metric = shared.criterion.name
    folds = [in_driver(prepared, shared, number) for number, prepared in enumerate(prepared_folds)]
    return {
        model: best_of(
            [TrialResult(model, p, tuple(_tried(p, fold, seed) for fold in folds)) for p in params],
            metric,
        )
        for model, params in implicit_candidates().items()
    }


def in_driver(prepared: PreparedFold, shared: Broadcasts, number: int) -> FoldInMemory:
    """Returns a whole fold in this process; `number` is its key in `shared.allowed`."""
    return read_fold(prepared.profiles.toArrow(), number, shared)


def evaluate_implicit(
    holdout_test: HoldoutTest, params: ImplicitParams, training: Histories, seed: int
) -> Result:
    """Returns the result of one of the library's models, fitted on all of training.

    Users without history are served by the test's fallback. Histories and lists of all users of
    the test are held in this process.
    """
    with PeakMemory() as memory:
        start = perf_counter()
        model = fit_implicit(params, training, seed)
        fitted = perf_counter()
        users = read_histories(holdout_test.profiles.select(*INPUT).toArrow(), training.n_items)
        table = make_lists(holdout_test.lister(model, params.model), users)
        scored = perf_counter()
    with cached(holdout_test.profiles.sparkSession.createDataFrame(table)) as lists:
        metrics = holdout_test.judged(params.model, lists)
    return Result(metrics, fitted - start, scored - fitted, memory.peak_mb)


def fit_implicit(params: ImplicitParams, users: Histories, seed: int) -> ImplicitModel:
    """Returns a model of the library fitted on these users' strengths, on all cores.

    ALS scores users by factors that are worked out anew from their histories, as ours does.
    """
    # Here: the library is an extra (`compare`).
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import BM25Recommender

    threads = len(os.sched_getaffinity(0))
    # A copy: what others learn from is not to be changed by another's code.
    matrix = users.strengths.copy()

    def als_scores(strengths: csr_matrix) -> Any:
        factors = model.recalculate_user(np.arange(strengths.shape[0]), strengths)
        return np.atleast_2d(factors) @ model.item_factors.T

    def neighbour_scores(strengths: csr_matrix) -> Any:
        return (strengths @ model.similarity).toarray()

    # The library asks for one thread: BLAS's own would fight with its own.
    with one_thread(), warnings.catch_warnings():
        if params.model == BM25:
            # It hands itself a matrix of another form than it asks for.
            warnings.simplefilter("ignore")
            model: Any = BM25Recommender(**params.settings, num_threads=threads)
        else:
            settings = {**params.settings, "random_state": seed}
            model = AlternatingLeastSquares(**settings, num_threads=threads)
        model.fit(matrix, show_progress=False)
    return ImplicitModel(neighbour_scores if params.model == BM25 else als_scores)


def _tried(params: ImplicitParams, fold: FoldInMemory, seed: int) -> dict[str, float]:
    start = perf_counter()
    model = fit_implicit(params, fold.training, seed)
    fitted = perf_counter()
    metrics = fold.judge(model).means(fold.criterion, fold.n_items)
    return {
        **metrics,
        "fit_seconds": fitted - start,
        "score_seconds": perf_counter() - fitted,
    }
