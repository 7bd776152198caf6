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
from sparkperso.recommend.arrays.histories import BUCKETS, Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.score_blocks import blend_in, leave_marked, spread_rows
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, Fitted, Scored


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
        return self.scored(users).scores

    def explainer(self, users: Histories) -> Explainer:
        """Returns the parts' explanations, weighted as their scores are."""
        return self.scored(users).explain

    def scored(self, users: Histories) -> Scored:
        """Returns scores and explanations; each part scores the block once.

        Of a part's scores what is kept is their spread, and where there are any: a bit per part.
        """
        weights = self.weights[users.buckets].astype(np.float64)
        shares = np.zeros(weights.shape)
        total = np.zeros((len(users), users.n_items), dtype=np.float32)
        marks = np.zeros(total.shape, dtype=np.uint32)
        for place, part in enumerate(self.parts):
            if weights[:, place].any():
                scores = part.scores(users)
                shares[:, place] = weights[:, place] / spreads(scores)
                blend_in(total, marks, scores, shares[:, place].astype(np.float32), place)
                # Before the next part makes its own.
                del scores
        leave_marked(total, marks)
        explainers: list[Explainer] = []

        def explain(row: int, items: Ints) -> Explanation:
            if not explainers:
                explainers.extend(part.explainer(users) for part in self.parts)
            contributions = np.zeros((int(users.lengths[row]), len(items)))
            named: dict[str, Floats] = {}
            for place in np.flatnonzero(shares[row]).tolist():
                of_part = explainers[place](row, items)
                # 0 where the part has no score, as in the sum.
                share = shares[row, place] * ((marks[row, items] >> place) & 1)
                for name, part in of_part.named.items():
                    named[name] = named.get(name, 0.0) + part * share
                contributions += of_part.contributions * share
            return Explanation(named, contributions)

        return Scored(total, explain)

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
    spread = np.empty(len(scores))
    spread_rows(np.asarray(scores, dtype=np.float32), spread)
    return spread


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
