"""Small systems cut out of a sparse items × items matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sparkperso.recommend.kernels.compiled import compiled

Singles = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]
Starts = npt.NDArray[np.int64]


def sub_matrices(
    gram: csr_matrix, near: csr_matrix, first: int, ridge: float
) -> tuple[Singles, Singles]:
    """Returns (G_NN + ridge · I, G_Ni) of each row's neighbours N: rows × n × n, and rows × n.

    `gram` is items × items, symmetric, float32; `near` has the neighbours of the items `first`,
    `first` + 1, …; n is the largest number of them. A row of fewer is filled up with the unit
    matrix and 0, so that what is solved with them is 0.
    """
    n = max(int(np.diff(near.indptr).max(initial=0)), 1)
    small = np.zeros((near.shape[0], n, n), dtype=np.float32)
    right = np.zeros((near.shape[0], n), dtype=np.float32)
    places = np.full(gram.shape[0], -1, dtype=np.int32)
    _gather((*_places(gram), gram.data), _places(near), first, places, (small, right))
    diagonal = np.arange(n)
    is_near = diagonal < np.diff(near.indptr)[:, None]
    small[:, diagonal, diagonal] += np.where(is_near, np.float32(ridge), np.float32(1))
    return small, right


def _places(matrix: csr_matrix) -> tuple[Starts, Places]:
    indptr: Starts = matrix.indptr.astype(np.int64, copy=False)
    return indptr, matrix.indices.astype(np.int32, copy=False)


@compiled
def _gather(
    gram: tuple[Starts, Places, Singles],
    near: tuple[Starts, Places],
    first: int,
    places: Places,
    found: tuple[Singles, Singles],
) -> None:
    indptr, neighbours = near
    small, right = found
    for row in range(len(small)):
        own = neighbours[indptr[row] : indptr[row + 1]]
        for place in range(len(own)):
            places[own[place]] = place
        for place in range(len(own)):
            _pick(gram, own[place], places, small[row, place])
        _pick(gram, first + row, places, right[row])
        for item in own:
            places[item] = -1


@compiled
def _pick(gram: tuple[Starts, Places, Singles], item: int, places: Places, picked: Singles) -> None:
    """Writes an item's entries to where `places` has their columns; -1: nowhere."""
    starts, columns, values = gram
    for entry in range(starts[item], starts[item + 1]):
        place = places[columns[entry]]
        if place >= 0:
            picked[place] = values[entry]
