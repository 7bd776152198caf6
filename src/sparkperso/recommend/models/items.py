"""Linear item-item models: a user's scores are the sum of the rows of what they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, issparse

from sparkperso.recommend.histories import Histories, Ints, Singles
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, nothing_where_zero


@dataclass(frozen=True)
class ItemItemModel:
    """score(user, i) = Σ over the user's items j of weights[j, i]."""

    weights: csr_matrix | Singles
    """Items × items, float32, zero diagonal; sparse or dense."""

    def scores(self, users: Histories) -> Singles:
        """Returns likes · weights; each row is summed in order of the user's items."""
        product = users.likes @ self.weights
        dense = product.toarray() if issparse(product) else product
        return nothing_where_zero(np.asarray(dense, dtype=np.float32))

    def explainer(self, users: Histories) -> Explainer:
        """Returns the rows of the user's items: the score is their sum."""

        def explain(row: int, items: Ints) -> Explanation:
            rows = self.weights[np.ix_(users.liked(row), items)]
            dense = rows.toarray() if issparse(rows) else rows
            return Explanation(np.zeros(len(items)), np.asarray(dense, dtype=np.float64))

        return explain

    def arrays(self) -> Arrays:
        """Returns the weights: `weights` when dense, else their CSR parts."""
        if not issparse(self.weights):
            return {"weights": self.weights}
        sparse = self.weights
        return {
            "data": sparse.data,
            "indices": sparse.indices.astype(np.int32),
            "indptr": sparse.indptr.astype(np.int64),
        }


def load_items(arrays: Arrays) -> ItemItemModel:
    """Returns the model that gave these arrays."""
    if "weights" in arrays:
        return ItemItemModel(arrays["weights"])
    n = len(arrays["indptr"]) - 1
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return ItemItemModel(csr_matrix(parts, shape=(n, n)))
