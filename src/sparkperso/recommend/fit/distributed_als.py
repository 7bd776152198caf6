"""Least squares on interactions that no single task could hold: users stay in blocks.

User factors never leave their block; items are bounded, their state is on the driver. What crosses
the network per step is item-sized: a broadcast out, sums over blocks back.

ALS (`fit_als_blocks`), per iteration:
1. Item factors and their gram are broadcast; each block solves its users exactly, where they are.
2. The blocks' part of all items' gradients, and the users' gram, are summed over tasks: one job.
3. The driver turns them into the basis in which the gram is diagonal, and takes `cg_steps`
   conjugate gradients on all items at the same time; each needs one more job, for the product of
   the matrices and the directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pyspark.core.broadcast import Broadcast
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix, vstack

from sparkperso.core.errors import JobError
from sparkperso.core.threads import one_thread
from sparkperso.platform.frames import broadcast, cached
from sparkperso.recommend.data.user_blocks import (
    Block,
    Frames,
    Totals,
    blocks_in,
    chunk_rows,
    in_chunks,
    pack,
    packed,
    sum_over_blocks,
)
from sparkperso.recommend.kernels.als import (
    CG_STEPS,
    Objective,
    common_gram,
    first_factors,
    solve,
    spectrum_of,
)
from sparkperso.recommend.kernels.gradients import (
    SMALL,
    Factors,
    Ints,
    Wide,
    add_gram,
    add_pairs,
    add_row_products,
)

MAX_GRAM_ITEMS = 20_000
"""Items beside items on the driver: 20,000² × 12 bytes are 4.8 GB."""
Sent = TypeVar("Sent")


def fit_als_blocks(
    profiles: DataFrame,
    n_items: int,
    *,
    rank: int,
    reg_param: float,
    alpha: float,
    max_iter: int,
    implicit: bool,
    seed: int,
    cg_steps: int = CG_STEPS,
) -> Factors:
    """Returns item factors (items × rank, float32) as `kernels.als.fit_als` does.

    Users are solved exactly, not by gradients from their last factors: each iteration then starts
    from the ratings and the items alone, and what a lost executor held can be computed again.
    `profiles` has one row per user: items array<int> (places 0 … n_items-1, each once) and
    strengths array<float>, aligned. The number of partitions shows in the last digits only. Each
    iteration is 2 + `cg_steps` Spark jobs; a task's sum is items × rank × 8 bytes. A task fails
    with ValueError for places that are none.
    """
    fit = BlockFit(n_items, rank, Objective(reg_param, alpha, implicit), cg_steps)
    with cached(_together(pack(profiles, n_items))) as blocks:
        counts = fit.rating_counts(blocks)
        items = first_factors(n_items, rank, seed)
        items[counts == 0] = 0
        for _ in range(max_iter):
            with (
                broadcast(blocks.sparkSession, (items, common_gram(items, implicit))) as shared,
                cached(fit.solve_users(blocks, shared)) as solved,
            ):
                items = fit.improve_items(solved, items, counts)
    return items


@dataclass(frozen=True)
class BlockFit:
    """One fit: sizes, objective and conjugate gradients per half-step."""

    n_items: int
    rank: int
    objective: Objective
    cg_steps: int

    def rating_counts(self, blocks: DataFrame) -> Ints:
        """Returns how many ratings of each item (items,) the regularisation counts."""
        n_items, implicit = self.n_items, self.objective.implicit

        def work(task_blocks: Iterator[Block]) -> Iterator[tuple[int, Totals]]:
            counts = np.zeros((n_items, 1), dtype=np.int64)
            for block in task_blocks:
                rows = block.ratings
                counted = rows.indices[rows.values > 0] if implicit else rows.indices
                counts[:, 0] += np.bincount(counted, minlength=n_items)
            yield from in_chunks(counts)

        return sum_over_blocks(blocks, work, (n_items, 1), np.int64)[:, 0]

    def solve_users(self, blocks: DataFrame, held: Broadcast[tuple[Factors, Wide]]) -> DataFrame:
        """Returns the blocks with the user factors that are best against (items, common gram)."""
        objective = self.objective

        def work(batches: Frames) -> Frames:
            for block in blocks_in(batches):
                factors = solve(*held.value, block.ratings, objective)
                yield packed(Block(block.ratings, factors))

        return blocks.mapInArrow(work, blocks.schema)

    @one_thread()
    def improve_items(self, blocks: DataFrame, items: Factors, counts: Ints) -> Factors:
        """Returns the item factors (items × rank, float32) improved against the users' in `blocks`.

        The steps are those of `kernels.gradients.descend_rows`, on all items at the same time.
        """
        gradient, gram = self._products(blocks, items, with_rhs=True)
        implicit = self.objective.implicit
        spectrum, turn = np.zeros(self.rank, np.float32), np.eye(self.rank, dtype=np.float32)
        if implicit:
            spectrum, turn = spectrum_of(gram)
        diagonal: Wide = spectrum + self.objective.reg_param * counts[:, None]
        # As in `descend_rows`: what neither gram nor regularisation binds is not blown up.
        floor = 1e-6 * diagonal.max(axis=1, keepdims=True)
        inverse = 1 / np.maximum(diagonal, np.where(floor > 0, floor, 1.0))
        x: Wide = items.astype(np.float64) @ turn
        residual: Wide = -(diagonal * x + gradient @ turn)
        residual[counts == 0] = 0
        direction = inverse * residual
        error = _dots(direction, residual)
        for _ in range(self.cg_steps):
            product = self._products(blocks, (direction @ turn.T).astype(np.float32))[0] @ turn
            product += diagonal * direction
            length = _ratios(error, _dots(direction, product), error > SMALL)
            x += length * direction
            residual -= length * product
            fresh = _dots(residual * inverse, residual)
            direction = inverse * residual + _ratios(fresh, error, error > SMALL) * direction
            error = fresh
        x[counts == 0] = 0
        improved: Factors = (x @ turn.T).astype(np.float32)
        return improved

    def _products(
        self, blocks: DataFrame, directions: Factors, with_rhs: bool = False
    ) -> tuple[Wide, Wide]:
        """Returns the ratings' part of the items' gradient, and the users' gram if `with_rhs`.

        `with_rhs` subtracts the right-hand sides: the gradient at `directions`, not the matrices'
        product with them.
        """
        rank, n_items, objective = self.rank, self.n_items, self.objective

        def work(task_blocks: Iterator[Block]) -> Iterator[tuple[int, Totals]]:
            # The gram stands below the items' rows, so that one job brings both.
            totals = np.zeros((n_items + rank, rank))
            for block in task_blocks:
                rows, factors = block.ratings, block.factors_of(rank)
                add_row_products(
                    (rows.indptr, rows.indices, rows.values), factors, shared.value,
                    float(objective.alpha), objective.implicit, with_rhs, totals[:n_items],
                )  # fmt: skip
                if with_rhs and objective.implicit:
                    add_gram(factors, 0, len(factors), totals[n_items:])
            yield from in_chunks(totals)

        with broadcast(blocks.sparkSession, directions) as shared:
            totals = sum_over_blocks(blocks, work, (n_items + rank, rank), np.float64)
        lower: Wide = totals[n_items:]
        return totals[:n_items], lower + np.tril(lower, -1).T


def gram_blocks(profiles: DataFrame, n_items: int, max_items: int = MAX_GRAM_ITEMS) -> Wide:
    """Returns XᵀX (items × items, float64): how many users prefer both items of each pair.

    X is 1 where a strength is above 0. `profiles` as for `fit_als_blocks`. Raises JobError beyond
    `max_items`: the driver holds items² × 12 bytes, and each task sends items² × 4.
    """
    _require_few(n_items, max_items)
    step = chunk_rows(n_items, np.int32)

    def work(task_blocks: Iterator[Block]) -> Iterator[tuple[int, Totals]]:
        # The task's whole histories stay in memory, its counts are a chunk of items at a time.
        liked = [_preferred(block) for block in task_blocks]
        for chunk, first in enumerate(range(0, n_items, step)):
            counts = np.zeros((min(step, n_items - first), n_items), dtype=np.int32)
            for indptr, indices in liked:
                add_pairs(indptr, indices, first, counts)
            if counts.any():
                yield chunk, counts

    blocks = _together(pack(profiles, n_items))
    return sum_over_blocks(blocks, work, (n_items, n_items), np.int32).astype(np.float64)


def weighted_gram_blocks(
    profiles: DataFrame,
    n_items: int,
    weigh: Callable[[Ints], Wide],
    max_items: int = MAX_GRAM_ITEMS,
) -> Wide:
    """Returns XᵀWX (items × items, float64), W the weight that `weigh` gives users of n items.

    `weigh` maps lengths of histories (users,) to weights. As `gram_blocks`, whose counts are exact;
    here the number of partitions shows in last digits. Raises JobError beyond `max_items`.
    """
    _require_few(n_items, max_items)
    step = chunk_rows(n_items, np.float64)

    def work(task_blocks: Iterator[Block]) -> Iterator[tuple[int, Totals]]:
        liked = vstack([_weighted(block, n_items, weigh) for block in task_blocks], format="csc")
        plain = (liked > 0).astype(np.float64).T.tocsr()
        for chunk, first in enumerate(range(0, n_items, step)):
            sums = (plain[first : first + step] @ liked).toarray()
            if sums.any():
                yield chunk, sums

    blocks = _together(pack(profiles, n_items))
    return sum_over_blocks(blocks, work, (n_items, n_items), np.float64)


def _weighted(block: Block, n_items: int, weigh: Callable[[Ints], Wide]) -> csr_matrix:
    indptr, indices = _preferred(block)
    lengths = np.diff(indptr)
    weights = np.repeat(weigh(lengths), lengths)
    return csr_matrix((weights, indices, indptr), shape=(len(lengths), n_items))


def _require_few(n_items: int, max_items: int) -> None:
    if n_items > max_items:
        raise JobError(
            f"The items × items matrix is counted for at most {max_items:,} items",
            f"There are {n_items:,}",
            "Leave out this model, or items that few users have",
        )


def _preferred(block: Block) -> tuple[Ints, Ints]:
    rows = block.ratings
    is_liked = rows.values > 0
    return np.append(0, np.cumsum(is_liked))[rows.indptr], rows.indices[is_liked]


def _together(blocks: DataFrame) -> DataFrame:
    """Returns the blocks in no more partitions than run at a time: each sends item-sized sums."""
    return blocks.coalesce(max(1, blocks.sparkSession.sparkContext.defaultParallelism))


def _dots(left: Wide, right: Wide) -> Wide:
    dots: Wide = np.einsum("ij,ij->i", left, right)[:, None]
    return dots


def _ratios(above: Wide, below: Wide, where: npt.NDArray[np.bool_]) -> Wide:
    return np.divide(above, below, out=np.zeros_like(above), where=where)
