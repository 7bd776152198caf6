"""Loops over rows of sparse items × items matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sparkperso.recommend.kernels.compiled import compiled

Singles = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
Starts = npt.NDArray[np.int64]


def sums_of_rows(likes: csr_matrix, weights: csr_matrix) -> Singles:
    """Returns users × items (float32): per user the sum of the rows of `weights` that they like.

    `likes` is users × items, its values count as 1; `weights` is items × items, float32. A user's
    sum is in order of their items. Each cell is written where it stays: scipy's product would be a
    sparse matrix first.

    >>> weights = csr_matrix(np.array([[0, 1], [2, 0]], dtype=np.float32))
    >>> sums_of_rows(csr_matrix(np.array([[1, 1], [0, 1]], dtype=np.float32)), weights).tolist()
    [[2.0, 1.0], [2.0, 0.0]]
    """
    sums = np.zeros((likes.shape[0], weights.shape[1]), dtype=np.float32)
    _add_rows(_places(likes), (*_places(weights), weights.data), sums)
    return sums


def _places(matrix: csr_matrix) -> tuple[Starts, Places]:
    indptr: Starts = matrix.indptr.astype(np.int64, copy=False)
    return indptr, matrix.indices.astype(np.int32, copy=False)


@compiled
def _add_rows(
    likes: tuple[Starts, Places], weights: tuple[Starts, Places, Singles], sums: Singles
) -> None:
    (indptr, liked), (starts, columns, values) = likes, weights
    for user in range(len(sums)):
        own = sums[user]
        for place in range(indptr[user], indptr[user + 1]):
            item = liked[place]
            for entry in range(starts[item], starts[item + 1]):
                own[columns[entry]] += values[entry]
