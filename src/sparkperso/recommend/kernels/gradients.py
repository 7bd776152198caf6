"""The compiled half of `als`: sums over rows, conjugate gradients and Cholesky, row by row.

A row's normal equations are (G + Σ w y yᵀ + reg_param · n · I) x = Σ v y, sums over its ratings,
y the factors of what it rates, G their side's gram FᵀF (0 when explicit). Implicit: w = c - 1 and
v = c · p of Hu, Koren and Volinsky (2008), so that the part of G stands for all that is not rated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.kernels.compiled import compiled

Factors = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger]
SMALL = 1e-20
"""A squared residual below it is 0 in 32 bits: going on would divide by it."""


@compiled
def add_gram(factors: Factors, first: int, last: int, total: Wide) -> None:
    """Adds FᵀF of rows first … last to the lower half of `total` (rank × rank), in order."""
    rank = factors.shape[1]
    at = first
    while at + 4 <= last:  # Four at once: `total` is read and written a quarter as often.
        a, b, c, d = factors[at], factors[at + 1], factors[at + 2], factors[at + 3]
        for j in range(rank):
            p, q = np.float64(a[j]), np.float64(b[j])
            r, s = np.float64(c[j]), np.float64(d[j])
            for k in range(j + 1):
                total[j, k] += p * a[k] + q * b[k] + r * c[k] + s * d[k]
        at += 4
    while at < last:
        a = factors[at]
        for j in range(rank):
            p = np.float64(a[j])
            for k in range(j + 1):
                total[j, k] += p * a[k]
        at += 1


@compiled
def targets(
    values: Factors,
    start: int,
    end: int,
    alpha: float,
    implicit: bool,
    out: tuple[Factors, Factors],
) -> int:
    """Writes each rating's weight w and right-hand side v; returns how many regularisation counts.

    The part of a row's gradient that its ratings give is Σ (w (y·x) - v) y. Implicit: w = c - 1
    = α|r| and v = c · p = 1 + α|r| where r > 0, else 0 (Hu, Koren and Volinsky 2008). Explicit:
    w = 1 and v = r.
    """
    weights, rhs = out
    n_rated = 0
    for at in range(start, end):
        r = values[at]
        if implicit:
            w = np.float32(alpha) * abs(r)
            weights[at - start] = w
            rhs[at - start] = w + np.float32(1) if r > 0 else np.float32(0)
            n_rated += r > 0
        else:
            weights[at - start] = np.float32(1)
            rhs[at - start] = r
            n_rated += 1
    return n_rated


@compiled
def add_products(
    indices: Ints, weights: Factors, rhs: Factors, source: Factors, x: Factors, out: Factors
) -> None:
    """Adds Σ (w (y·x) - v) y over one row's ratings to `out` (rank); y = source[index]."""
    rank = source.shape[1]
    n = len(indices)
    at = 0
    while at + 4 <= n:  # Four at once: their sums do not wait for one another.
        a, b = source[indices[at]], source[indices[at + 1]]
        c, d = source[indices[at + 2]], source[indices[at + 3]]
        p = q = r = s = np.float32(0)
        for j in range(rank):
            p += a[j] * x[j]
            q += b[j] * x[j]
            r += c[j] * x[j]
            s += d[j] * x[j]
        p = p * weights[at] - rhs[at]
        q = q * weights[at + 1] - rhs[at + 1]
        r = r * weights[at + 2] - rhs[at + 2]
        s = s * weights[at + 3] - rhs[at + 3]
        for j in range(rank):
            out[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
        at += 4
    while at < n:
        a = source[indices[at]]
        p = np.float32(0)
        for j in range(rank):
            p += a[j] * x[j]
        p = p * weights[at] - rhs[at]
        for j in range(rank):
            out[j] += p * a[j]
        at += 1


@compiled
def descend_rows(
    indptr: Ints,
    indices: Ints,
    values: Factors,
    target: Factors,
    source: Factors,
    spectrum: Factors,
    reg_param: float,
    alpha: float,
    implicit: bool,
    steps: int,
    first: int,
    last: int,
) -> None:
    """Improves rows first … last of `target` in place, by `steps` conjugate gradients each.

    Factors are in the basis where FᵀF of `source` is diagonal, `spectrum` (zeros when explicit):
    products with it, and the division by it that preconditions, then cost rank, not rank².
    Rows that nothing regularises become 0.

    The usual preconditioned conjugate gradients, per row:
    1. residual = b - A x; direction = residual ÷ diagonal; error = residual · direction.
    2. A step of error ÷ (direction · A direction) along the direction.
    3. New residual and error; the next direction is residual ÷ diagonal + (new error ÷ old) times
       the last one. Again from 2, `steps` times, or until the error is nothing.
    """
    rank = target.shape[1]
    longest = np.max(indptr[first + 1 : last + 1] - indptr[first:last])
    weights, rhs = np.empty(longest, np.float32), np.empty(longest, np.float32)
    nothing = np.zeros(longest, np.float32)
    product, residual = np.empty(rank, np.float32), np.empty(rank, np.float32)
    direction, diagonal = np.empty(rank, np.float32), np.empty(rank, np.float32)
    inverse = np.empty(rank, np.float32)
    largest = np.max(spectrum)
    for row in range(first, last):
        start, end = indptr[row], indptr[row + 1]
        n_rated = targets(values, start, end, alpha, implicit, (weights, rhs))
        x = target[row]
        if n_rated == 0:
            x[:] = 0
            continue
        rated = indices[start:end]
        reg = np.float32(reg_param * n_rated)
        # What neither gram nor regularisation binds is not blown up by the preconditioner.
        floor = np.float32(1e-6) * (largest + reg)
        if floor == 0:
            floor = np.float32(1)
        for j in range(rank):
            diagonal[j] = spectrum[j] + reg
            inverse[j] = np.float32(1) / max(diagonal[j], floor)
            product[j] = diagonal[j] * x[j]
        add_products(rated, weights, rhs, source, x, product)
        error = np.float32(0)
        for j in range(rank):
            residual[j] = -product[j]
            direction[j] = inverse[j] * residual[j]
            error += direction[j] * residual[j]
        for _ in range(steps):
            if not error > SMALL:
                break
            curvature = np.float32(0)
            for j in range(rank):
                product[j] = diagonal[j] * direction[j]
            # Without a right-hand side: the matrix times the direction.
            add_products(rated, weights, nothing, source, direction, product)
            for j in range(rank):
                curvature += direction[j] * product[j]
            length = error / curvature
            fresh = np.float32(0)
            for j in range(rank):
                x[j] += length * direction[j]
                residual[j] -= length * product[j]
                fresh += residual[j] * residual[j] * inverse[j]
            ratio = fresh / error
            for j in range(rank):
                direction[j] = inverse[j] * residual[j] + ratio * direction[j]
            error = fresh


@compiled
def add_row_products(
    rows: tuple[Ints, Ints, Factors],
    factors: Factors,
    directions: Factors,
    alpha: float,
    implicit: bool,
    with_rhs: bool,
    out: Wide,
) -> None:
    """Adds each row's part of its columns' gradients to `out` (columns × rank).

    `rows` is (indptr, indices, values), `factors` (rows × rank) is held fixed: column i gets
    Σ (w (x·d_i) - v) x over the rows x that rate it, d its `directions`; v counts if `with_rhs`.
    """
    indptr, indices, values = rows
    rank = factors.shape[1]
    longest = 0
    for row in range(len(factors)):
        longest = max(longest, indptr[row + 1] - indptr[row])
    weights, rhs = np.empty(longest, np.float32), np.empty(longest, np.float32)
    for row in range(len(factors)):
        start, end = indptr[row], indptr[row + 1]
        targets(values, start, end, alpha, implicit, (weights, rhs))
        x = factors[row]
        # `out` is in 64 bits: its sums run over the rows of all partitions.
        for at in range(start, end):
            item = indices[at]
            dot = np.float32(0)
            for j in range(rank):
                dot += x[j] * directions[item, j]
            share = weights[at - start] * dot
            if with_rhs:
                share -= rhs[at - start]
            for j in range(rank):
                out[item, j] += share * x[j]


@compiled
def add_pairs(indptr: Ints, indices: Ints, first: int, counts: Ints) -> None:
    """Adds to `counts` (items first … × all items) how many rows hold both items of each pair.

    A pair of an item with itself counts too: the diagonal is the rows that hold it.
    """
    last = first + len(counts)
    for row in range(len(indptr) - 1):
        start, end = indptr[row], indptr[row + 1]
        for at in range(start, end):
            item = indices[at]
            if first <= item < last:
                for other in range(start, end):
                    counts[item - first, indices[other]] += 1


@compiled
def solve_rows(
    indptr: Ints,
    indices: Ints,
    values: Factors,
    target: Factors,
    source: Factors,
    gram: Wide,
    reg_param: float,
    alpha: float,
    implicit: bool,
    first: int,
    last: int,
) -> None:
    """Writes the exact solutions of rows first … last into `target`, by Cholesky in 64 bits.

    `gram` is FᵀF of `source` (zeros when explicit). Each row's arithmetic is its own.
    """
    rank = target.shape[1]
    longest = np.max(indptr[first + 1 : last + 1] - indptr[first:last])
    weights, rhs = np.empty(longest, np.float32), np.empty(longest, np.float32)
    a, b = np.empty((rank, rank), np.float64), np.empty(rank, np.float64)
    for row in range(first, last):
        start, end = indptr[row], indptr[row + 1]
        n_rated = targets(values, start, end, alpha, implicit, (weights, rhs))
        if n_rated == 0:
            target[row] = 0
            continue
        # Only the lower half of A is filled: Cholesky reads no other.
        a[:] = gram
        b[:] = 0
        for at in range(start, end):
            y = source[indices[at]]
            w, v = np.float64(weights[at - start]), np.float64(rhs[at - start])
            for j in range(rank):
                b[j] += v * y[j]
                p = w * y[j]
                for k in range(j + 1):
                    a[j, k] += p * y[k]
        for j in range(rank):
            a[j, j] += reg_param * n_rated
        cholesky_solve(a, b)
        for j in range(rank):
            target[row, j] = b[j]


@compiled
def cholesky_solve(a: Wide, b: Wide) -> None:
    """Overwrites b with the solution of a x = b; the lower half of `a` counts and is lost.

    A pivot of (nearly) 0 is raised, so that what no rating and no regularisation binds is finite.
    """
    rank = len(b)
    largest = 0.0
    for j in range(rank):
        largest = max(largest, a[j, j])
    floor = 1e-12 * largest if largest > 0 else 1.0
    for j in range(rank):
        for k in range(j + 1):
            total = a[j, k]
            for m in range(k):
                total -= a[j, m] * a[k, m]
            a[j, k] = np.sqrt(max(total, floor)) if j == k else total / a[k, k]
    for j in range(rank):
        total = b[j]
        for k in range(j):
            total -= a[j, k] * b[k]
        b[j] = total / a[j, j]
    for back in range(rank):
        j = rank - 1 - back
        b[j] /= a[j, j]
        for k in range(j):
            b[k] -= a[j, k] * b[j]
