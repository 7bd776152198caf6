"""Linear item-item models: a user's scores are the sum of the rows of what they have.

EASE and item-kNN are both of this form and differ in their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.histories import Histories, Ints, Singles
from sparkperso.recommend.kernels.sparse_rows import sums_of_rows
from sparkperso.recommend.models.base import Arrays, Explainer, Explanation, nothing_where_zero


@dataclass(frozen=True)
class ItemItemModel:
    """score(user, i) = Σ over the user's items j of weights[j, i]."""

    weights: csr_matrix | Singles
    """Items × items, float32, zero diagonal; sparse or dense."""

    def scores(self, users: Histories) -> Singles:
        """Returns likes · weights, users × items, float32; -inf where the sum is not above 0.

        Each row is summed in order of the user's items, hence the same in any block.
        """
        if isinstance(self.weights, csr_matrix):
            return nothing_where_zero(sums_of_rows(users.likes, self.weights))
        return nothing_where_zero((users.likes @ self.weights).astype(np.float32, copy=False))

    def explainer(self, users: Histories) -> Explainer:
        """Returns the rows of the user's items: the score is their sum."""

        def explain(row: int, items: Ints) -> Explanation:
            rows = self.weights[np.ix_(users.liked(row), items)]
            return Explanation({}, dense(rows).astype(np.float64))

        return explain

    def arrays(self) -> Arrays:
        """Returns the weights: `weights` when dense, else their CSR parts."""
        if not isinstance(self.weights, csr_matrix):
            return {"weights": self.weights}
        sparse = self.weights
        return {
            "data": np.asarray(sparse.data),
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


def dense(matrix: Any) -> npt.NDArray[Any]:
    """Returns a sparse or dense matrix as an array."""
    return np.asarray(matrix.toarray() if isinstance(matrix, csr_matrix) else matrix)
