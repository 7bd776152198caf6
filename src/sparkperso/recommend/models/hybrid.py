"""A blend of models: scores over their spread, weighted by how much the user has done.

Scores of different models have different scales, so each part's are divided by their standard
deviation over the user's items. Weights stand per bucket of history length (`BUCKETS`), since what
is best for a newcomer is not best for a regular; `fit.blend_weights` finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparkperso.config.recommend.models import HybridParams
from sparkperso.recommend.arrays.histories import BUCKETS, Floats, Histories, Ints, Singles
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, Fitted

TINY = 1e-6
"""Differences below this share of the largest score are those of rounding."""


@dataclass(frozen=True)
class HybridModel:
    """score = Σ over parts of weight[bucket of the user's history] × score ÷ spread."""

    parts: Sequence[Fitted]
    weights: Singles
    """Buckets (in the order of BUCKETS) × parts."""

    def scores(self, users: Histories) -> Singles:
        """Returns the blend, users × items, float32; -inf where no part with a weight has a score.

        A part without a score for an item adds nothing to it.
        """
        weights = self.weights[users.buckets]
        total = np.zeros((len(users), users.n_items), dtype=np.float32)
        has_score = np.zeros(total.shape, dtype=bool)
        for place, part in enumerate(self.parts):
            if weights[:, place].any():
                scores = part.scores(users)
                is_scored = np.isfinite(scores) & (weights[:, place] > 0)[:, None]
                share = (weights[:, place] / spreads(scores)).astype(np.float32)[:, None]
                total += np.where(is_scored, scores, np.float32(0)) * share
                has_score |= is_scored
        return np.where(has_score, total, np.float32(-np.inf))

    def explainer(self, users: Histories) -> Explainer:
        """Returns the parts' explanations, weighted as their scores are."""
        weights = self.weights[users.buckets].astype(np.float64)
        shares, finite = np.zeros(weights.shape), []
        for place, part in enumerate(self.parts):
            scores = part.scores(users)
            shares[:, place] = weights[:, place] / spreads(scores)
            finite.append(np.isfinite(scores))
        inner = [part.explainer(users) for part in self.parts]

        def explain(row: int, items: Ints) -> Explanation:
            total = np.zeros((int(users.lengths[row]), len(items)))
            named: dict[str, Floats] = {}
            for place in np.flatnonzero(shares[row]):
                of_part = inner[place](row, items)
                # 0 where the part has no score, as in `scores`.
                share = shares[row, place] * finite[place][row, items]
                for name, part in of_part.named.items():
                    named[name] = named.get(name, 0.0) + part * share
                total += of_part.contributions * share
            return Explanation(named, total)

        return explain

    def arrays(self) -> Arrays:
        """Returns the parts' arrays as `<place>.<name>`, and the weights."""
        named = {
            f"{place}.{name}": array
            for place, part in enumerate(self.parts)
            for name, array in part.arrays().items()
        }
        return {**named, "weights": self.weights}


def spreads(scores: Singles) -> Floats:
    """Returns the standard deviation of each row's finite scores; 1 where they do not differ.

    What a model knows nothing about is no score of 0: it has no part in it. In 64 bits and one row
    at a time, so that it does not depend on the block.

    >>> spreads(np.array([[1, 5, -np.inf], [2, 2, 2]], dtype=np.float32)).tolist()
    [2.0, 1.0]
    """
    is_scored = np.isfinite(scores)
    finite = np.where(is_scored, scores, 0).astype(np.float64)
    n = np.maximum(is_scored.sum(axis=1), 1)
    apart = np.where(is_scored, finite - (finite.sum(axis=1) / n)[:, None], 0)
    spread: Floats = np.sqrt((apart**2).sum(axis=1) / n)
    # Equal but for the last digits of 32 bits is equal.
    return np.where(spread > TINY * np.abs(finite).max(axis=1, initial=0), spread, 1.0)


def arrays_of_parts(params: HybridParams, arrays: Arrays) -> list[Arrays]:
    """Returns the arrays of each part, in the order of the parts.

    In those of the blend their names begin with the part's place and a dot.
    """
    return [
        {k.removeprefix(f"{place}."): a for k, a in arrays.items() if k.startswith(f"{place}.")}
        for place in range(len(params.parts))
    ]


def weight_table(params: HybridParams) -> Singles:
    """Returns the weights of the settings, buckets (in the order of BUCKETS) × parts, float32.

    Raises KeyError where the settings lack a bucket.
    """
    rows = [params.weights[bucket] for bucket in BUCKETS]
    return np.array(rows, dtype=np.float32).reshape(len(BUCKETS), len(params.parts))
