"""Linear item-item models: a user's scores are the sum of the rows of what they have.

EASE and item-kNN are both of this form and differ in their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.reason_parts import pick_entries
from sparkperso.recommend.kernels.score_blocks import Rows, add_rows
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
        if not isinstance(self.weights, csr_matrix):
            return nothing_where_zero(users.likes @ self.weights)
        return sums_above_zero(users, self.weights)

    def explainer(self, users: Histories) -> Explainer:
        """Returns the rows of the user's items: the score is their sum."""
        weights = self.weights if isinstance(self.weights, csr_matrix) else None
        pick = None if weights is None else entries_of(weights)

        def explain(row: int, items: Ints) -> Explanation:
            own = users.liked(row)
            if pick is not None:
                return Explanation({}, pick(own, items))
            return Explanation({}, self.weights[np.ix_(own, items)].astype(np.float64))

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


def sums_above_zero(users: Histories, weights: csr_matrix, more: Singles | None = None) -> Singles:
    """Returns likes · weights + `more`, users × items, float32; -inf where that is not above 0.

    `more` (users × items) is what is added to; None: zeros. It is lost.
    """
    sums = np.zeros((len(users), users.n_items), dtype=np.float32) if more is None else more
    add_rows(users.likes.indptr, users.likes.indices, parts_of(weights), sums)
    return sums


def entries_of(weights: csr_matrix) -> Callable[[Ints, Ints], Floats]:
    """Returns (rows, columns) → the entries of a sparse matrix there, rows × columns, float64."""
    # A search in a row takes columns in order.
    rows = parts_of(weights if weights.has_sorted_indices else weights.sorted_indices())

    def pick(own: Ints, items: Ints) -> Floats:
        found = np.empty((len(own), len(items)))
        pick_entries(rows, own, items, found)
        return found

    return pick


def parts_of(matrix: csr_matrix) -> Rows:
    """Returns indptr, indices and data, as kernels take them."""
    return matrix.indptr, matrix.indices, matrix.data
