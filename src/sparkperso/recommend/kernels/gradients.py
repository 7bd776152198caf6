"""The compiled half of `als`: sums over rows, conjugate gradients and Cholesky, row by row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.kernels.compiled import compiled

Factors = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger]
SMALL = 1e-20


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
    """Writes each rating's weight w and wish v; returns how many regularisation counts.

    The part of a row's gradient that its ratings give is Σ (w (y·x) - v) y: implicit, w = α|r| and
    v = 1 + α|r| where r > 0, else 0; explicit, w = 1 and v = r.
    """
    weights, wishes = out
    n_rated = 0
    for at in range(start, end):
        r = values[at]
        if implicit:
            w = np.float32(alpha) * abs(r)
            weights[at - start] = w
            wishes[at - start] = w + np.float32(1) if r > 0 else np.float32(0)
            n_rated += r > 0
        else:
            weights[at - start] = np.float32(1)
            wishes[at - start] = r
            n_rated += 1
    return n_rated


@compiled
def add_products(
    indices: Ints, weights: Factors, wishes: Factors, source: Factors, x: Factors, out: Factors
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
        p = p * weights[at] - wishes[at]
        q = q * weights[at + 1] - wishes[at + 1]
        r = r * weights[at + 2] - wishes[at + 2]
        s = s * weights[at + 3] - wishes[at + 3]
        for j in range(rank):
            out[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j]
        at += 4
    while at < n:
        a = source[indices[at]]
        p = np.float32(0)
        for j in range(rank):
            p += a[j] * x[j]
        p = p * weights[at] - wishes[at]
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
    """
    rank = target.shape[1]
    longest = np.max(indptr[first + 1 : last + 1] - indptr[first:last])
    weights, wishes = np.empty(longest, np.float32), np.empty(longest, np.float32)
    nothing = np.zeros(longest, np.float32)
    product, residual = np.empty(rank, np.float32), np.empty(rank, np.float32)
    direction, diagonal = np.empty(rank, np.float32), np.empty(rank, np.float32)
    inverse = np.empty(rank, np.float32)
    largest = np.max(spectrum)
    for row in range(first, last):
        start, end = indptr[row], indptr[row + 1]
        n_rated = targets(values, start, end, alpha, implicit, (weights, wishes))
        x = target[row]
        if n_rated == 0:
            x[:] = 0
            continue
        mine = indices[start:end]
        reg = np.float32(reg_param * n_rated)
        floor = np.float32(1e-6) * (largest + reg)
        if floor == 0:
            floor = np.float32(1)
        for j in range(rank):
            diagonal[j] = spectrum[j] + reg
            inverse[j] = np.float32(1) / max(diagonal[j], floor)
            product[j] = diagonal[j] * x[j]
        add_products(mine, weights, wishes, source, x, product)
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
            add_products(mine, weights, nothing, source, direction, product)
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
    wished: bool,
    out: Wide,
) -> None:
    """Adds each row's part of its columns' gradients to `out` (columns × rank).

    `rows` is (indptr, indices, values), `factors` (rows × rank) is held fixed: column i gets
    Σ (w (x·d_i) - v) x over the rows x that rate it, d its `directions`; v counts if `wished`.
    """
    indptr, indices, values = rows
    rank = factors.shape[1]
    longest = 0
    for row in range(len(factors)):
        longest = max(longest, indptr[row + 1] - indptr[row])
    weights, wishes = np.empty(longest, np.float32), np.empty(longest, np.float32)
    for row in range(len(factors)):
        start, end = indptr[row], indptr[row + 1]
        targets(values, start, end, alpha, implicit, (weights, wishes))
        x = factors[row]
        for at in range(start, end):
            item = indices[at]
            dot = np.float32(0)
            for j in range(rank):
                dot += x[j] * directions[item, j]
            share = weights[at - start] * dot
            if wished:
                share -= wishes[at - start]
            for j in range(rank):
                out[item, j] += share * x[j]


@compiled
def add_pairs(indptr: Ints, indices: Ints, first: int, counts: Ints) -> None:
    """Adds to `counts` (items first … × all items) how many rows hold both items of each pair."""
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
    weights, wishes = np.empty(longest, np.float32), np.empty(longest, np.float32)
    a, b = np.empty((rank, rank), np.float64), np.empty(rank, np.float64)
    for row in range(first, last):
        start, end = indptr[row], indptr[row + 1]
        n_rated = targets(values, start, end, alpha, implicit, (weights, wishes))
        if n_rated == 0:
            target[row] = 0
            continue
        a[:] = gram
        b[:] = 0
        for at in range(start, end):
            y = source[indices[at]]
            w, v = np.float64(weights[at - start]), np.float64(wishes[at - start])
            for j in range(rank):
                b[j] += v * y[j]
                p = w * y[j]
                for k in range(j + 1):
                    a[j, k] += p * y[k]
        for j in range(rank):
            a[j, j] += reg_param * n_rated
        _cholesky_solve(a, b)
        for j in range(rank):
            target[row, j] = b[j]


@compiled
def _cholesky_solve(a: Wide, b: Wide) -> None:
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
