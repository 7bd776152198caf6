"""Implicit ALS as a model: item factors; users are folded in from their histories.

The model keeps no user factors: a user's are solved from their history when they are scored, so
that users who came after the training, and histories that went on since, need no new fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from sparkperso.config.recommend.models import AlsParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Floats, Histories, Ints, Singles
from sparkperso.recommend.kernels.als import fit_als, fold_in
from sparkperso.recommend.kernels.products import rows_times
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, FitSetting, Fitted
from sparkperso.recommend.models.recency_prior import load_prior, with_prior


@dataclass(frozen=True)
class AlsModel:
    """score = x_u · y_i; x_u is the exact last half-step of ALS (Hu et al. 2008, equation 4).

    Its regularisation grows with the length of the history, as in `kernels.als`; theirs does not.
    """

    params: AlsParams
    item_factors: Singles
    """Items × rank; 0 for items without a pair."""

    def user_factors(self, users: Histories) -> Singles:
        """Returns users × rank, float32: the factors that minimise the objective for them.

        Zeros for users without history.
        """
        history, params = users.values(self.params.values), self.params
        return fold_in(
            history,
            self.item_factors,
            reg_param=params.reg_param,
            alpha=params.alpha,
            implicit=True,
        )

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
        history, params, gram = users.values(self.params.values), self.params, self._gram

        def explain(row: int, items: Ints) -> Explanation:
            pairs = slice(history.indptr[row], history.indptr[row + 1])
            own = self.item_factors[history.indices[pairs]].astype(np.float64)
            confidence = params.alpha * history.data[pairs].astype(np.float64)
            matrix = gram + (own * confidence[:, None]).T @ own
            matrix[np.diag_indices_from(matrix)] += params.reg_param * max(len(own), 1)
            candidates = self.item_factors[items].astype(np.float64)
            weighted = own * (1 + confidence)[:, None]
            return Explanation({}, weighted @ np.linalg.solve(matrix, candidates.T))

        return explain

    def arrays(self) -> Arrays:
        """Returns the item factors."""
        return {"item_factors": self.item_factors}

    @cached_property
    def _unknown(self) -> npt.NDArray[np.bool_]:
        # The kernel writes zeros, and only zeros, for items without a pair in training.
        unknown: npt.NDArray[np.bool_] = ~np.any(self.item_factors, axis=1)
        return unknown

    @cached_property
    def _gram(self) -> Floats:
        wide = self.item_factors.astype(np.float64)
        gram: Floats = wide.T @ wide
        return gram


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
