"""Exact factors of rows with few ratings and many factors: a system of ratings, not of factors.

In the basis in which the gram of the side held fixed is diagonal, FᵀF + reg_param · n · I is a
diagonal D, and a row with ratings Z (ratings × rank), confidences W above 1 and right-hand side v
has (Woodbury's identity)

    x = D⁻¹ Zᵀ s,    s = v - √W (I + √W K √W)⁻¹ √W K v,    K = Z D⁻¹ Zᵀ

so that time grows with ratings² × rank, where the system of factors takes rank³.
"""

from __future__ import annotations

import numpy as np

from sparkperso.recommend.kernels.compiled import compiled
from sparkperso.recommend.kernels.gradients import Factors, Ints, cholesky_solve, targets


@compiled
def solve_short_rows(
    indptr: Ints,
    indices: Ints,
    values: Factors,
    target: Factors,
    source: Factors,
    spectrum: Factors,
    reg_param: float,
    alpha: float,
) -> None:
    """Writes the solutions of an implicit objective into `target` (rows × rank), in 64 bits.

    `source` (items × rank) and `target` are in the basis of the `spectrum`. Each row's arithmetic
    is its own; rows that no rating regularises have zeros.
    """
    rank = target.shape[1]
    longest = np.max(indptr[1:] - indptr[:-1])
    weights, rhs = np.empty(longest, np.float32), np.empty(longest, np.float32)
    scaled, found = np.empty((longest, rank), np.float64), np.empty(rank, np.float64)
    for row in range(len(target)):
        start, end = indptr[row], indptr[row + 1]
        n, n_rated = end - start, targets(values, start, end, alpha, True, (weights, rhs))
        target[row] = 0
        if n_rated == 0:
            continue
        for at in range(n):
            own = source[indices[start + at]]
            for j in range(rank):
                scaled[at, j] = own[j] / (spectrum[j] + reg_param * n_rated)
        system, right = np.empty((n, n), np.float64), np.zeros(n, np.float64)
        for at in range(n):
            for other in range(at + 1):
                own, product = source[indices[start + other]], 0.0
                for j in range(rank):
                    product += scaled[at, j] * own[j]
                right[at] += product * rhs[other]
                if other < at:
                    right[other] += product * rhs[at]
                system[at, other] = product * np.sqrt(np.float64(weights[at]) * weights[other])
            system[at, at] += 1.0
        for at in range(n):
            right[at] *= np.sqrt(np.float64(weights[at]))
        cholesky_solve(system, right)
        found[:] = 0
        for at in range(n):
            step = rhs[at] - np.sqrt(np.float64(weights[at])) * right[at]
            for j in range(rank):
                found[j] += step * scaled[at, j]
        for j in range(rank):
            target[row, j] = found[j]
