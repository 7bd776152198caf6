"""Alternating least squares on arrays: one side's factors against the other's, row by row.

The objective is MLlib's: confidence 1 + α·|r| on implicit strengths (Hu, Koren and Volinsky 2008,
equation 3), and a regularisation that grows with the number of a row's ratings (weighted-λ, Zhou
et al. 2008). While fitting, each row's normal equations are improved by a few conjugate gradients
from its last factors (Takács, Pilászy and Tikk 2011); at the end they are solved exactly.

1. Items begin at random directions of length 1 (`first_factors`), users at 0.
2. An iteration improves all users against the items, then all items against the users. Before
   each half the fixed side is turned into the basis in which its gram FᵀF is diagonal (`rotated`):
   the gram costs rank per product there, and its diagonal preconditions the gradients.
3. Each row takes `cg_steps` conjugate gradients (`gradients.descend_rows`), in 32 bits.
4. Item factors are what is returned; a user's come from `fold_in`, exactly and in 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkperso.recommend.kernels.compiled import run_pieces, work_bounds
from sparkperso.recommend.kernels.gradients import (
    Factors,
    Ints,
    Wide,
    add_gram,
    descend_rows,
    solve_rows,
)

CHUNK = 4096
"""Rows of a partial gram. Changing it changes the last digits of every model."""
ROW_COST = 16  # What a row costs beside its ratings, in ratings.
CG_STEPS = 3
"""Two do nearly as well on most data: the basis in which they run preconditions them."""


@dataclass(frozen=True)
class Ratings:
    """One side's ratings as rows (CSR): `indices` and `values` between the `indptr` of a row."""

    indptr: Ints
    indices: Ints
    values: Factors

    @classmethod
    def of(cls, matrix: Any) -> Ratings:
        """Returns the rows of a scipy sparse matrix."""
        rows = matrix.tocsr()
        return cls(rows.indptr, rows.indices, rows.data.astype(np.float32, copy=False))


@dataclass(frozen=True)
class Objective:
    """What is minimised: Σ c (p - x·y)² + reg_param · Σ n |x|² over rows of both sides.

    Implicit, the first sum runs over all cells: p = 1 where r > 0, else 0, c = 1 + alpha·|r|, and n
    counts a row's ratings above 0. Explicit, it runs over ratings: p = r, c = 1, n counts them all.
    """

    reg_param: float
    alpha: float
    implicit: bool


def fit_als(
    matrix: Any,
    *,
    rank: int,
    reg_param: float,
    alpha: float,
    max_iter: int,
    implicit: bool,
    seed: int,
    threads: int = 1,
    cg_steps: int = CG_STEPS,
    start: Factors | None = None,
    after_iteration: Callable[[int, Factors], bool] | None = None,
) -> Factors:
    """Returns the item factors (items × rank, float32) of a sparse `matrix` (users × items).

    Each iteration improves all users, then all items. `start` (items × rank) replaces the random
    first factors; after_iteration(n, item factors), n from 1, ends the fit by returning False; what
    it is given changes in the next iteration, so a copy is what to keep.
    Items that no rating regularises have zeros. The same to the bit for any number of `threads`.
    Raises ValueError when `start` has another shape.
    """
    users, items = Ratings.of(matrix), Ratings.of(matrix.T)
    objective = Objective(reg_param, alpha, implicit)
    if start is None:
        item_factors = first_factors(matrix.shape[1], rank, seed)
    else:
        item_factors = np.array(start, dtype=np.float32, order="C")
    expected = (matrix.shape[1], rank)
    if item_factors.shape != expected:
        raise ValueError(f"start: expected shape {expected}, found {item_factors.shape}")
    # Left alone, a random start would let an item that nobody rated be recommended.
    item_factors[rating_counts(items, implicit) == 0] = 0
    user_factors = np.zeros((matrix.shape[0], rank), dtype=np.float32)
    options = {"cg_steps": cg_steps, "threads": threads}
    for n in range(1, max_iter + 1):
        improve(user_factors, rotated(item_factors, implicit, threads), users, objective, **options)
        improve(item_factors, rotated(user_factors, implicit, threads), items, objective, **options)
        if after_iteration is not None and not after_iteration(n, item_factors):
            break
    return item_factors


def fold_in(
    matrix: Any,
    item_factors: Factors,
    *,
    reg_param: float,
    alpha: float,
    implicit: bool,
    threads: int = 1,
) -> Factors:
    """Returns the user factors (users × rank, float32) that minimise the objective, exactly.

    Implicit: x_u = (YᵀY + Yᵀ(C_u - I)Y + reg_param · n_u · I)⁻¹ YᵀC_u p_u (Hu, Koren and Volinsky
    2008, equation 4, whose λ is not multiplied by n_u). `matrix` (users × items, sparse) holds the
    users' whole histories. A row's factors are the same to the bit whatever other rows there are.
    Users that no rating regularises have zeros.
    """
    source = np.ascontiguousarray(item_factors, dtype=np.float32)
    common = common_gram(source, implicit, threads)
    rows, objective = Ratings.of(matrix), Objective(reg_param, alpha, implicit)
    return solve(source, common, rows, objective, threads)


def common_gram(source: Factors, implicit: bool, threads: int = 1) -> Wide:
    """Returns what all rows' equations have in common (rank × rank, float64).

    The gram where the objective is implicit, since it runs over all cells; zeros when explicit.
    """
    rank = source.shape[1]
    return gram(source, threads) if implicit else np.zeros((rank, rank))


def solve(
    source: Factors, common: Wide, rows: Ratings, objective: Objective, threads: int = 1
) -> Factors:
    """Returns the factors of `rows` that minimise the objective against `source`, exactly.

    Rows × rank, float32; `common` is `common_gram` of `source`, which a caller with several blocks
    of rows works out once.
    """
    target = np.zeros((len(rows.indptr) - 1, source.shape[1]), dtype=np.float32)

    def piece(first: int, last: int) -> None:
        solve_rows(
            rows.indptr, rows.indices, rows.values, target, source, common,
            float(objective.reg_param), float(objective.alpha), objective.implicit, first, last,
        )  # fmt: skip

    run_pieces(piece, work_bounds(rows.indptr, ROW_COST, threads), threads)
    return target


@dataclass(frozen=True)
class RotatedFactors:
    """One side's factors in the basis in which their gram is diagonal."""

    factors: Factors
    spectrum: Factors
    """The diagonal (rank), not below 0; zeros for an explicit objective, which has no gram."""
    turn: Factors
    """The basis (rank × rank): factors = original · turn."""


def rotated(factors: Factors, implicit: bool, threads: int = 1) -> RotatedFactors:
    """Returns `factors` (rows × rank) in the basis that `improve` needs of the side held fixed.

    A turn leaves all products of two factors as they are, hence the objective too.
    """
    rank = factors.shape[1]
    if not implicit:
        return RotatedFactors(factors, np.zeros(rank, np.float32), np.eye(rank, dtype=np.float32))
    spectrum, turn = spectrum_of(gram(factors, threads))
    return RotatedFactors(factors @ turn, spectrum, turn)


def improve(
    target: Factors,
    source: RotatedFactors,
    rows: Ratings,
    objective: Objective,
    *,
    cg_steps: int = CG_STEPS,
    threads: int = 1,
) -> None:
    """Improves `target` (rows × rank, float32) in place against the other side, held fixed.

    Each row takes `cg_steps` conjugate gradients from where it is: fewer are cheaper, more come
    nearer to the exact least squares of MLlib's ALS.
    """
    turned = target @ source.turn

    def descend(first: int, last: int) -> None:
        descend_rows(
            rows.indptr, rows.indices, rows.values, turned, source.factors, source.spectrum,
            float(objective.reg_param), float(objective.alpha), objective.implicit,
            cg_steps, first, last,
        )  # fmt: skip

    run_pieces(descend, work_bounds(rows.indptr, ROW_COST, threads), threads)
    np.matmul(turned, source.turn.T, out=target)


def gram(factors: Factors, threads: int = 1) -> Wide:
    """Returns FᵀF (rank × rank, float64), summed in 64 bits over fixed chunks of rows in order.

    The same to the bit whatever the number of threads, BLAS's included.

    >>> gram(np.array([[1, 2], [3, 4]], dtype=np.float32)).tolist()
    [[10.0, 14.0], [14.0, 20.0]]
    """
    n_rows, rank = factors.shape
    bounds = np.append(np.arange(0, n_rows, CHUNK), n_rows)
    parts = np.zeros((len(bounds) - 1, rank, rank))

    def add(first: int, last: int) -> None:
        for part in range(first, last):
            add_gram(factors, bounds[part], bounds[part + 1], parts[part])

    run_pieces(add, np.arange(len(bounds)), threads)
    lower: Wide = parts.sum(axis=0)
    return lower + np.tril(lower, -1).T


def spectrum_of(symmetric: Wide) -> tuple[Factors, Factors]:
    """Returns the eigenvalues (rank, not below 0) and the basis (rank × rank) of a gram, float32.

    Rounding may leave an eigenvalue of a gram just below 0, where a preconditioner has no use
    for it.
    """
    values, vectors = np.linalg.eigh(symmetric)
    return np.maximum(values, 0).astype(np.float32), np.ascontiguousarray(vectors, np.float32)


def first_factors(n_items: int, rank: int, seed: int) -> Factors:
    """Returns random directions of length 1 (items × rank); an item's depends on its place only."""
    drawn = np.random.default_rng(seed).standard_normal((n_items, rank))
    length = np.linalg.norm(drawn, axis=1, keepdims=True)
    factors: Factors = (drawn / length).astype(np.float32)
    return factors


def rating_counts(rows: Ratings, implicit: bool) -> Ints:
    """Returns how many ratings of each row the regularisation counts: those above 0, or all."""
    counted = rows.values > 0 if implicit else np.ones(len(rows.values), dtype=bool)
    total = np.append(0, np.cumsum(counted))
    counts: Ints = total[rows.indptr[1:]] - total[rows.indptr[:-1]]
    return counts
