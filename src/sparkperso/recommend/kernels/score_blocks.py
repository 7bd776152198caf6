"""Blocks of scores, users × items, compiled: each pass over one is one loop.

Memory is what a block costs: numpy would make a new array of it for every operation. Rows are
worked out one at a time, so that a user's do not depend on the others of the block, and sums are in
the order in which SciPy has them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.kernels.compiled import compiled, compiled_as_written

Singles = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer]
Marks = npt.NDArray[np.uint32]
Rows = tuple[Places, Places, Singles]
"""CSR: indptr, indices, data."""
NOTHING = np.float32(-np.inf)
TINY = 1e-6
"""Differences below this share of the largest score are those of rounding."""
WIDTH = 8
"""Users who share a walk over all items' terms: a vector of 64-bit numbers."""


@compiled_as_written
def add_rows(indptr: Places, indices: Places, rows: Rows, far: Singles) -> None:
    """Adds to each row of `far` (users × items) the sum of the sparse rows that its user has.

    `indptr` and `indices` say which of `rows` (items × items). The sum is made first, in their
    order, and then added. What is not above 0 becomes -inf.
    """
    starts, columns, data = rows
    near = np.empty(far.shape[1], np.float32)
    for user in range(len(far)):
        near[:] = 0
        for at in range(indptr[user], indptr[user + 1]):
            row = indices[at]
            for entry in range(starts[row], starts[row + 1]):
                near[columns[entry]] += data[entry]
        own = far[user]
        for item in range(len(own)):
            score = near[item] + own[item]
            own[item] = score if score > 0 else NOTHING


@compiled_as_written
def above_zero(scores: Singles, factors: Singles, found: Singles) -> None:
    """Writes scores × factors (per item) to `found`, -inf where that is not above 0."""
    for row in range(len(scores)):
        own, out = scores[row], found[row]
        for item in range(len(own)):
            score = own[item] * factors[item]
            # Not below 0: -inf times a factor of 0 is no number.
            out[item] = score if own[item] > 0 and score > 0 else NOTHING


@compiled
def spread_rows(scores: Singles, spreads: Floats) -> None:
    """Writes the standard deviation of each row's finite scores, 1 where they do not differ.

    In 64 bits.
    """
    for row in range(len(scores)):
        own = scores[row]
        n, total = 0, 0.0
        for item in range(len(own)):
            is_scored = abs(own[item]) < np.inf
            n += is_scored
            total += np.float64(own[item]) if is_scored else 0.0
        mean, squares = total / max(n, 1), 0.0
        for item in range(len(own)):
            apart = np.float64(own[item]) - mean if abs(own[item]) < np.inf else 0.0
            squares += apart * apart
        spread = np.sqrt(squares / max(n, 1))
        # No score is further from the mean; a maximum is slow to look for, and seldom needed.
        largest = abs(mean) + np.sqrt(squares)
        if spread <= TINY * largest:
            largest = 0.0
            for item in range(len(own)):
                if abs(own[item]) < np.inf:
                    largest = max(largest, np.float64(abs(own[item])))
        # Equal but for the last digits of 32 bits is equal.
        spreads[row] = spread if spread > TINY * largest else 1.0


@compiled_as_written
def blend_in(total: Singles, marks: Marks, scores: Singles, shares: Singles, bit: int) -> None:
    """Adds share (per row) × score where the score is finite, and sets the `bit` of its mark.

    Rows with a share of 0 stay as they are.
    """
    mark = np.uint32(1) << np.uint32(bit)
    for row in range(len(total)):
        share, own = shares[row], scores[row]
        if share > 0:
            sums, seen = total[row], marks[row]
            for item in range(len(own)):
                is_scored = abs(own[item]) < np.inf
                sums[item] += (own[item] if is_scored else np.float32(0)) * share
                seen[item] |= mark if is_scored else np.uint32(0)


@compiled_as_written
def leave_marked(total: Singles, marks: Marks) -> None:
    """Sets to -inf what has no mark."""
    for row in range(len(total)):
        sums, seen = total[row], marks[row]
        for item in range(len(sums)):
            if seen[item] == 0:
                sums[item] = NOTHING


@compiled_as_written
def times_columns(vectors: Rows, profiles: Floats, found: Singles) -> None:
    """Writes profiles (users × terms) · vectorsᵀ (items × terms, sparse), -inf where not above 0.

    In 64 bits, of which `found` takes 32. WIDTH users at a time share a walk over the vectors.
    """
    starts, terms, data = vectors
    n_users, n_terms = profiles.shape
    tile, sums = np.zeros((n_terms, WIDTH)), np.empty(WIDTH)
    for first in range(0, n_users, WIDTH):
        last = min(first + WIDTH, n_users)
        for user in range(first, last):
            for term in range(n_terms):
                tile[term, user - first] = profiles[user, term]
        for item in range(found.shape[1]):
            sums[:] = 0
            for entry in range(starts[item], starts[item + 1]):
                value, row = np.float64(data[entry]), tile[terms[entry]]
                for place in range(WIDTH):
                    sums[place] += value * row[place]
            for user in range(first, last):
                score = np.float32(sums[user - first])
                found[user, item] = score if score > 0 else NOTHING
