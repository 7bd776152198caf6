"""ALS as a model: item factors; users are folded in from their histories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from sparkperso.config.models import AlsParams
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Floats, Histories, Ints, Singles
from sparkperso.recommend.kernels.als import fit_als, fold_in
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, FitSetting, Fitted
from sparkperso.recommend.models.recency_prior import load_prior, with_prior

TILE = 64
"""Users come to the matrix product in multiples of this, so that no row's bits depend on how many
others there are."""


@dataclass(frozen=True)
class AlsModel:
    """score = user factors · item factors; user factors are the exact last half-step of ALS."""

    params: AlsParams
    item_factors: Singles
    """Items × rank; 0 for items without a pair."""

    def user_factors(self, users: Histories) -> Singles:
        """Returns users × rank: the factors that minimise the objective for these histories."""
        history, params = users.values(self.params.values), self.params
        return fold_in(
            history,
            self.item_factors,
            reg_param=params.reg_param,
            alpha=params.alpha,
            implicit=True,
        )

    def scores(self, users: Histories) -> Singles:
        """Returns users × items; -inf for users without history, and for items that nobody had."""
        factors = self.user_factors(users)
        padded = np.zeros((-(-max(len(users), 1) // TILE) * TILE, factors.shape[1]), np.float32)
        padded[: len(users)] = factors
        with one_thread():
            scores = (padded @ self.item_factors.T)[: len(users)]
        scores[users.lengths == 0] = -np.inf
        scores[:, self._unknown] = -np.inf
        return scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns what each pair adds: y_i · A⁻¹ · y_j · (1 + α r_j) (Hu et al. 2008, section 5).

        A is the matrix of the user's normal equations.
        """
        history, params, gram = users.values(self.params.values), self.params, self._gram

        def explain(row: int, items: Ints) -> Explanation:
            pairs = slice(history.indptr[row], history.indptr[row + 1])
            own = self.item_factors[history.indices[pairs]].astype(np.float64)
            confidence = params.alpha * history.data[pairs].astype(np.float64)
            matrix = gram + (own * confidence[:, None]).T @ own
            matrix[np.diag_indices_from(matrix)] += params.reg_param * max(len(own), 1)
            asked = self.item_factors[items].astype(np.float64)
            weighted = own * (1 + confidence)[:, None]
            return Explanation({}, weighted @ np.linalg.solve(matrix, asked.T))

        return explain

    def arrays(self) -> Arrays:
        """Returns the item factors."""
        return {"item_factors": self.item_factors}

    @cached_property
    def _unknown(self) -> npt.NDArray[np.bool_]:
        unknown: npt.NDArray[np.bool_] = ~np.any(self.item_factors, axis=1)
        return unknown

    @cached_property
    def _gram(self) -> Floats:
        wide = self.item_factors.astype(np.float64)
        gram: Floats = wide.T @ wide
        return gram


def fit(params: AlsParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns the factors that the compiled kernel finds in one task."""
    prior = partial(with_prior, users=users, half_life_days=params.prior_half_life_days)

    def watch(iteration: int, factors: Singles) -> bool:
        if setting.watch is None:
            return True
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
