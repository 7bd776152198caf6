"""Implicit ALS as a model: item factors; users are folded in from their histories.

The model keeps no user factors: a user's are solved from their history when they are scored, so
that users who came after the training, and histories that went on since, need no new fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkperso.config.recommend.models import AlsParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.als import (
    Objective,
    Ratings,
    RotatedFactors,
    common_gram,
    fit_als,
    rotated,
    solve,
)
from sparkperso.recommend.kernels.products import rows_times
from sparkperso.recommend.kernels.short_rows import solve_short_rows
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, FitSetting, Fitted
from sparkperso.recommend.models.recency_prior import load_prior, with_prior

MANY_FACTORS, SHORT = 128, 2
"""Ranks, and factors per item of a history, from which a system of the history's items is less work
than one of the factors, by an order of magnitude."""
CHUNK = 4096
"""Items of a history explained at a time: with 512 factors 16 MB."""


@dataclass(frozen=True)
class AlsModel:
    """score = x_u · y_i; x_u is the exact last half-step of ALS (Hu et al. 2008, equation 4).

    Its regularisation grows with the length of the history, as in `kernels.als`; theirs does not.
    """

    params: AlsParams
    item_factors: Singles
    """Items × rank; 0 for items without a pair."""

    @property
    def rank(self) -> int:
        """Returns the length of the factors."""
        return int(self.item_factors.shape[1])

    def user_factors(self, users: Histories) -> Singles:
        """Returns users × rank, float32: the factors that minimise the objective for them.

        Zeros for users without history.
        """
        history, params = users.values(self.params.values), self.params
        objective = Objective(params.reg_param, params.alpha, implicit=True)
        is_short = self._is_short(np.diff(history.indptr))
        factors = np.zeros((len(users), self.rank), dtype=np.float32)
        for rows, way in ((is_short, self._solve_short), (~is_short, self._solve)):
            if rows.any():
                factors[rows] = way(Ratings.of(history[rows]), objective)
        return factors

    def scores(self, users: Histories) -> Singles:
        """Returns users × items, float32; -inf for users without history and items nobody had.

        A score estimates a preference: about 1 for what the user has, about 0 for what is far.
        """
        scores = rows_times(self.user_factors(users), self.item_factors.T)
        scores[users.lengths == 0] = -np.inf
        scores[:, self._unknown] = -np.inf
        return scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns what each pair adds: y_i · A⁻¹ · y_j · (1 + α r_j) (Hu et al. 2008, section 5).

        A = YᵀY + Σ_j α r_j y_j y_jᵀ + reg_param · n · I is the matrix of the user's normal
        equations, n the length of their history. Explanations are in 64 bits, scores in 32.
        """
        history, params = users.values(self.params.values), self.params

        def explain(row: int, items: Ints) -> Explanation:
            pairs = slice(history.indptr[row], history.indptr[row + 1])
            own, ridge = history.indices[pairs], params.reg_param * max(pairs.stop - pairs.start, 1)
            confidence = params.alpha * history.data[pairs].astype(np.float64)
            way = self._near_short if self._is_short(len(own)) else self._near
            return Explanation({}, (1 + confidence)[:, None] * way(own, items, confidence, ridge))

        return explain

    def arrays(self) -> Arrays:
        """Returns the item factors."""
        return {"item_factors": self.item_factors}

    @cached_property
    def _unknown(self) -> npt.NDArray[np.bool_]:
        # The kernel writes zeros, and only zeros, for items without a pair in training.
        unknown: npt.NDArray[np.bool_] = ~np.any(self.item_factors, axis=1)
        return unknown

    def _is_short(self, lengths: Any) -> Any:
        """Whether histories of these lengths are solved by their own items, not by factors."""
        return (self.rank >= MANY_FACTORS) & (SHORT * lengths <= self.rank)

    def _solve(self, rows: Ratings, objective: Objective) -> Singles:
        return solve(self.item_factors, self._gram, rows, objective)

    def _solve_short(self, rows: Ratings, objective: Objective) -> Singles:
        turned, n_rows = self._turned, len(rows.indptr) - 1
        found = np.zeros((n_rows, self.rank), dtype=np.float32)
        solve_short_rows(
            rows.indptr, rows.indices, rows.values, found, turned.factors, turned.spectrum,
            objective.reg_param, objective.alpha,
        )  # fmt: skip
        return rows_times(found, turned.turn.T)

    def _near(self, own: Ints, items: Ints, confidence: Floats, ridge: float) -> Floats:
        """Returns y_j · A⁻¹ · y_i of a history's items to others; A is items of it × rank²."""
        matrix = self._gram.copy()
        matrix[np.diag_indices_from(matrix)] += ridge
        parts = [slice(start, start + CHUNK) for start in range(0, len(own), CHUNK)]
        for part in parts:
            factors = self.item_factors[own[part]].astype(np.float64)
            matrix += (factors * confidence[part, None]).T @ factors
        solved = np.linalg.solve(matrix, self.item_factors[items].astype(np.float64).T)
        near = [self.item_factors[own[part]].astype(np.float64) @ solved for part in parts]
        return np.concatenate(near) if near else np.zeros((0, len(items)))

    def _near_short(self, own: Ints, items: Ints, confidence: Floats, ridge: float) -> Floats:
        """Returns what `_near` does, by a system of the history's items (`kernels.short_rows`)."""
        turned = self._turned
        factors = turned.factors[own].astype(np.float64)
        scaled = factors / (turned.spectrum + ridge)
        system = np.eye(len(own)) + (scaled @ factors.T) * confidence
        near: Floats = np.linalg.solve(system, scaled @ turned.factors[items].T.astype(np.float64))
        return near

    @cached_property
    def _gram(self) -> Floats:
        return common_gram(self.item_factors, implicit=True)

    @cached_property
    def _turned(self) -> RotatedFactors:
        return rotated(self.item_factors, implicit=True)


def fit(params: AlsParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns the factors that the compiled kernel fits in this process (`kernels.als.fit_als`).

    `setting.watch` sees the model after each iteration, the recency prior included, and may end
    the fit early.
    """
    prior = partial(with_prior, users=users, half_life_days=params.prior_half_life_days)

    def watch(iteration: int, factors: Singles) -> bool:
        if setting.watch is None:
            return True
        # A copy: the kernel goes on in the same array, and the best model so far may be kept.
        return setting.watch(iteration, prior(AlsModel(params, factors.copy())))

    factors = fit_als(
        users.values(params.values),
        rank=params.rank,
        reg_param=params.reg_param,
        alpha=params.alpha,
        max_iter=params.max_iter,
        implicit=True,
        seed=setting.seed,
        threads=setting.threads,
        after_iteration=watch,
    )
    return prior(AlsModel(params, factors))


def load(params: AlsParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    return load_prior(AlsModel(params, arrays["item_factors"]), arrays)
