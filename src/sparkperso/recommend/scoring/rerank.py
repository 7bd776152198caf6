"""Choosing from shortlists, compiled: user by user, in the order of the shortlist or by MMR.

By maximal marginal relevance (`walk_marginal`), per user:
1. Scores of the shortlist are scaled to 0…1: the relevance.
2. The open item with the largest λ · relevance − (1 − λ) · (cosine to the nearest chosen one) is
   next, unless its category is full; either way it is open no more.
3. The cosines of all to the item just chosen raise their `nearest`. Again from 2.
So a list takes n × shortlist cosines, and no matrix of items × items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.compiled import compiled

Shortlists = tuple[Ints, Floats]
"""Positions (-1: none) and scores, users × length."""
Rows = tuple[Ints, Ints, Singles]
"""CSR: indptr, indices, data."""
STEPS = 1e6
"""Gains are compared in millionths: what is less comes from vectors in single precision."""


@compiled
def walk(short: Shortlists, chosen: Shortlists, categories: Ints, limit: int) -> None:
    """Fills `chosen` with what comes first, each item once, at most `limit` of a category.

    Both are users × length; places of `chosen` that nothing fits keep what they hold. A limit of 0
    is none; items of category -1 are not limited.
    """
    n = chosen[0].shape[1]
    for row in range(len(short[0])):
        place = 0
        for at in range(short[0].shape[1]):
            item = short[0][row, at]
            if place < n and item >= 0 and _fits(chosen[0][row, :place], item, categories, limit):
                chosen[0][row, place], chosen[1][row, place] = item, short[1][row, at]
                place += 1


@compiled
def walk_marginal(
    short: Shortlists,
    chosen: Shortlists,
    categories: Ints,
    vectors: Rows,
    settings: tuple[int, float, int],
) -> None:
    """Fills `chosen` by maximal marginal relevance; settings are limit, λ, number of terms.

    `vectors` are rows of length 1, items × terms. `chosen` as in `walk`.
    """
    limit, weight, width = settings
    terms = np.zeros(width)
    for row in range(len(short[0])):
        items, scores = short[0][row], short[1][row]
        is_open, relevance = items >= 0, _scaled(items, scores)
        nearest, place = np.zeros(len(items)), 0
        while place < chosen[0].shape[1]:
            at = _best(relevance, nearest, is_open, weight)
            if at < 0:
                break
            # Closed for good, even if it does not fit now: a full category stays full.
            is_open[at] = False
            if _fits(chosen[0][row, :place], items[at], categories, limit):
                chosen[0][row, place], chosen[1][row, place] = items[at], scores[at]
                _approach(nearest, vectors, items, at, terms)
                place += 1


@compiled
def _fits(chosen: Ints, item: int, categories: Ints, limit: int) -> bool:
    """Whether an item is not listed yet, nor its category full."""
    same = 0
    for other in chosen:
        if other == item:
            return False
        if limit > 0 and categories[item] >= 0 and categories[other] == categories[item]:
            same += 1
    return limit == 0 or same < limit


@compiled
def _scaled(items: Ints, scores: Floats) -> Floats:
    """Returns the scores from 0 (worst of the shortlist) to 1 (best); 1 where all are equal."""
    low, high = np.inf, -np.inf
    for at in range(len(items)):
        if items[at] >= 0:
            low, high = min(low, scores[at]), max(high, scores[at])
    scaled = np.ones(len(items))
    if high > low:
        for at in range(len(items)):
            if items[at] >= 0:
                scaled[at] = (scores[at] - low) / (high - low)
    return scaled


@compiled
def _best(relevance: Floats, nearest: Floats, is_open: npt.NDArray[np.bool_], weight: float) -> int:
    """Returns the place with the largest gain, the first of equals; -1: none is open."""
    best, gain = -1, -np.inf
    for at in range(len(relevance)):
        if is_open[at]:
            own = np.rint(STEPS * (weight * relevance[at] - (1 - weight) * nearest[at]))
            if own > gain:
                best, gain = at, own
    return best


@compiled
def _approach(nearest: Floats, vectors: Rows, items: Ints, at: int, terms: Floats) -> None:
    """Raises `nearest` to the cosine with the item at a place; `terms` is zeros, and is again."""
    indptr, indices, data = vectors
    first, last = indptr[items[at]], indptr[items[at] + 1]
    terms[indices[first:last]] = data[first:last]
    for other in range(len(items)):
        if items[other] >= 0:
            cosine = 0.0
            for entry in range(indptr[items[other]], indptr[items[other] + 1]):
                cosine += data[entry] * terms[indices[entry]]
            nearest[other] = max(nearest[other], cosine)
    terms[indices[first:last]] = 0.0
