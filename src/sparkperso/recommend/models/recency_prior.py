"""The recency prior: any model's scores times what sells now over what has sold all along.

Collaborative models learn from all pairs alike, so they go on listing what sold last season. The
prior needs no new fit, and a half-life is a setting that a search can choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.score_blocks import above_zero
from sparkperso.recommend.models.base import (
    Arrays,
    Explainer,
    Explanation,
    Fitted,
)


@dataclass(frozen=True)
class WithPrior:
    """A model whose positive scores are multiplied by a number per item (`recency_prior`)."""

    inner: Fitted
    prior: Singles

    def scores(self, users: Histories) -> Singles:
        """Returns the inner scores × prior; -inf where the inner score is not above 0."""
        inner = self.inner.scores(users)
        scores = np.empty(inner.shape, dtype=np.float32)
        above_zero(inner, self.prior, scores)
        return scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns the inner explanations × prior."""
        inner = self.inner.explainer(users)

        def explain(row: int, items: Ints) -> Explanation:
            plain, prior = inner(row, items), self.prior[items].astype(np.float64)
            named = {name: part * prior for name, part in plain.named.items()}
            return Explanation(named, plain.contributions * prior)

        return explain

    def arrays(self) -> Arrays:
        """Returns the inner arrays and `prior`."""
        return {**self.inner.arrays(), "prior": self.prior}


def with_prior(inner: Fitted, users: Histories, half_life_days: float | None) -> Fitted:
    """Returns the model with the prior of these training users; itself without a half-life (days).

    `users` are those that the model was fitted on.
    """
    if half_life_days is None:
        return inner
    return WithPrior(inner, recency_prior(users, half_life_days).astype(np.float32))


def without_prior(params: Any) -> Any:
    """Returns the settings of the model that the prior multiplies: those of its fit."""
    if getattr(params, "prior_half_life_days", None) is None:
        return params
    return params.model_copy(update={"prior_half_life_days": None})


def load_prior(inner: Fitted, arrays: Arrays) -> Fitted:
    """Returns the model with the prior that its arrays hold, if they do."""
    return WithPrior(inner, arrays["prior"]) if "prior" in arrays else inner


def recency_prior(users: Histories, half_life_days: float) -> Floats:
    """Returns, per item (items,), its share of decayed pairs over its share of all pairs.

    A pair counts 0.5^(age ÷ half-life), age in days since it was last touched. Above 1: the item
    sells better now than it used to. 1 for items without a pair.
    """
    weights = np.power(np.float32(0.5), users.ages / np.float32(half_life_days))
    return share_ratio(column_sums(users.aged(weights)), column_sums(users.likes))


def share_ratio(now: Floats, ever: Floats) -> Floats:
    """Returns each item's share of `now` over its share of `ever`; 1 where `ever` is 0.

    All 1 where `now` has nothing, as when every pair is so old that its weight is 0.

    >>> share_ratio(np.array([3.0, 1.0, 0.0]), np.array([2.0, 2.0, 0.0])).tolist()
    [1.5, 0.5, 1.0]
    """
    shares: Floats = np.ones(len(ever))
    if now.sum() > 0:
        np.divide(now / now.sum(), ever / ever.sum(), out=shares, where=ever > 0)
    return shares


def column_sums(matrix: csr_matrix) -> Floats:
    """Returns the sum of each column, in 64 bits."""
    weights = matrix.data.astype(np.float64)
    return np.bincount(matrix.indices, weights, matrix.shape[1]).astype(np.float64)
