"""Products of a block of users with a model's matrix, the same for a user in any block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.core.threads import one_blas_thread

Singles = npt.NDArray[np.float32]
TILE = 64
"""Rows come to the product in multiples of this, so that no row's bits depend on how many others
there are."""


def rows_times(rows: Singles, matrix: Singles) -> Singles:
    """Returns rows (n × k) · matrix (k × m), float32, on one thread.

    >>> rows_times(np.ones((1, 2), np.float32), np.eye(2, dtype=np.float32)).tolist()
    [[1.0, 1.0]]
    """
    n = len(rows)
    padded = np.zeros((-(-max(n, 1) // TILE) * TILE, rows.shape[1]), np.float32)
    padded[:n] = rows
    with one_blas_thread():
        product: Singles = (padded @ matrix)[:n]
    return product
