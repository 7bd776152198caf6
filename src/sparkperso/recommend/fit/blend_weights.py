"""Learning how to blend: which weights of the parts would have ranked best on the folds.

1. All weightings on a grid are candidates (`weight_grid`).
2. On each fold the parts' scores are worked out once; each weighting orders the parts' best items,
   and its criterion is summed per group of users and bucket of history length (`blend_sums`).
3. Per bucket, the weighting with the largest sum over the folds is taken (`choose_weights`).
4. Its figure is cross-fitted: each group of users is judged with weights learned on the others
   (`cross_fitted_means`), since it is ranked beside models that learn no weights on the folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

import numpy as np

from sparkperso.config.recommend.criterion import METRICS
from sparkperso.recommend.arrays.histories import BUCKETS, Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.trial import Broadcasts, FoldInMemory, Work, read_fold
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.models.hybrid import spreads
from sparkperso.recommend.scoring.ranking_blocks import user_values
from sparkperso.recommend.scoring.top_n import Lists, Selection, blocks_of, mask, select_from

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark import Broadcast

DEPTH = 100
"""Best items of each part that a blend chooses from while weights are learned."""
GROUPS = 5
"""Users are in one of so many groups, by a hash of their id: the same in every fold."""

BlendSums: TypeAlias = tuple[Ints, Floats]
"""Judged users (groups × buckets), and sums by weighting (groups × buckets × weightings)."""


def weight_grid(n_parts: int, steps: int) -> Floats:
    """Returns all weights of `n_parts` that are multiples of 1 / steps and add up to 1.

    Weightings × parts, the first part's weight growing.

    >>> weight_grid(2, steps=2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    counts = [c for c in product(range(steps + 1), repeat=n_parts) if sum(c) == steps]
    return np.array(counts, dtype=np.float64) / steps


def blend_sums(parts: Sequence[Fitted], prepared: FoldInMemory, grid: Floats) -> BlendSums:
    """Returns how many users are judged on a fold, and each weighting's sum of every metric.

    The sums have one axis before those of BlendSums, in the order of METRICS.

    `parts` are fitted on the fold's training users, `grid` is weightings × parts. The users must
    fit into memory; their scores are held a block at a time.
    """
    judged = np.flatnonzero(prepared.truth.counts > 0)
    judged_users = prepared.users.take(judged)
    n_cells = GROUPS * len(BUCKETS)
    sums = np.zeros((len(METRICS), n_cells, len(grid)))
    start = 0
    for block in blocks_of(judged_users):
        truth = prepared.truth.take(judged[start : start + len(block)])
        start += len(block)
        for place, lists in enumerate(_blends(parts, block, prepared, grid)):
            values = user_values(lists, truth)
            for metric, name in enumerate(METRICS):
                sums[metric, :, place] += np.bincount(_cells(block), values[name], n_cells)
    users = np.bincount(_cells(judged_users), minlength=n_cells)
    shape = (GROUPS, len(BUCKETS))
    return users.reshape(shape), sums.reshape(len(METRICS), *shape, len(grid))


def _cells(users: Histories) -> Ints:
    """Returns the place of each user's group and bucket."""
    # Not Python's hash(), which differs from process to process.
    groups = np.array([crc32(str(user).encode()) % GROUPS for user in users.ids], dtype=np.int64)
    return groups * len(BUCKETS) + users.buckets


def _blends(
    parts: Sequence[Fitted], block: Histories, prepared: FoldInMemory, grid: Floats
) -> Iterator[Lists]:
    """Yields the lists that each weighting gives, chosen from the parts' best items."""
    select = Selection(prepared.k, prepared.allowed)
    # The spread is that of all scores, as the fitted blend will see them: before any mask.
    raw = [part.scores(block) for part in parts]
    scales = [spreads(scores)[:, None] for scores in raw]
    scored = [mask(scores, block, select) for scores in raw]
    depth = min(DEPTH, block.n_items)
    items = np.concatenate([select_from(scores, depth).items for scores in scored], axis=1)
    # In order of position, so that ties go to the smaller item, as in the fitted blend.
    items = np.sort(items, axis=1)
    repeated = (items < 0) | (np.diff(items, axis=1, prepend=-2) == 0)
    shares = [_picked(scores, items) / scale for scores, scale in zip(scored, scales, strict=True)]
    for weights in grid:
        total = np.zeros(items.shape, dtype=np.float64)
        for weight, share in zip(weights, shares, strict=True):
            total += weight * share
        # 0 is what no part has a score for; an item that several parts listed counts once.
        total[repeated | (total == 0)] = -np.inf
        chosen = select_from(total.astype(np.float32), prepared.k)
        named = np.take_along_axis(items, np.maximum(chosen.items, 0), axis=1)
        yield Lists(np.where(chosen.items >= 0, named, -1), chosen.scores)


def _picked(scores: Singles, items: Ints) -> Floats:
    """Returns a part's scores of these items; 0 where it has nothing to say."""
    picked = np.take_along_axis(scores, np.maximum(items, 0), axis=1).astype(np.float64)
    return np.where(np.isfinite(picked), picked, 0.0)


def choose_weights(
    users: Ints, sums: Floats, grid: Floats, min_users: int
) -> dict[str, tuple[float, ...]]:
    """Returns bucket → the weights with the largest mean; of equal ones the first of the grid.

    `users` (buckets,) and `sums` (buckets × weightings) are those of `blend_sums`, added up over
    groups and folds. A bucket with fewer than `min_users` judged users takes the weights that are
    best for all users with a history.
    """
    overall = grid[int(np.argmax(sums[1:].sum(axis=0)))]
    chosen = {}
    for place, bucket in enumerate(BUCKETS):
        enough = users[place] >= min_users
        best = grid[int(np.argmax(sums[place]))] if enough else overall
        chosen[bucket] = tuple(float(w) for w in best)
    return chosen


def cross_fitted_means(
    folds: Sequence[BlendSums],
    grid: Floats,
    min_users: int,
    shown: Sequence[Floats] | None = None,
) -> list[float]:
    """Returns each fold's mean (0 to 1) over users with a history, by weights of others.

    The weights of each group are those that `choose_weights` learns on all others, in all folds, so
    that a blend is not flattered beside its parts, which learn no weights. `folds` have the sums
    of the criterion, by which weights are learned; `shown` those of another metric to tell.
    """
    shown = shown or [sums for _, sums in folds]
    places = {weights: place for place, weights in enumerate(map(tuple, grid.tolist()))}
    users, sums = (np.sum(every, axis=0) for every in zip(*folds, strict=True))
    totals = [0.0] * len(folds)
    for group in range(len(users)):
        others = users.sum(0) - users[group], sums.sum(0) - sums[group]
        learned = choose_weights(*others, grid, min_users)
        chosen = [places[weights] for weights in learned.values()]
        for place, own in enumerate(shown):
            totals[place] += own[group, range(1, len(BUCKETS)), chosen[1:]].sum()
    judged = [max(own[:, 1:].sum(), 1) for own, _ in folds]
    return [float(total / n) for total, n in zip(totals, judged, strict=True)]


def blend_work(
    shared: Broadcast[Broadcasts], parts: Sequence[Any], grid: np.ndarray[Any, Any]
) -> Work:
    """Returns the work that fits the parts on a fold and judges each weighting of them.

    Its document holds `failure` where the parts cannot be fitted beside each other.
    """

    def work(fold: int, chunk: int, table: pa.Table) -> list[Any]:
        held = shared.value
        prepared = read_fold(table, fold, held)
        try:
            fitted = [fit_model(p, prepared.training, held.catalogue, held.setting) for p in parts]
        except FAILURES as error:
            return [{"fold": fold, "failure": reason_of(error)}]
        users, sums = blend_sums(fitted, prepared, grid)
        return [{"fold": fold, "users": users.tolist(), "sums": sums.tolist()}]

    return work
