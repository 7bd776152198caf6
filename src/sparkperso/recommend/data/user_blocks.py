"""Users' rows packed into blocks: a Spark row holds some thousands of users as arrays.

A row per user would be unpacked from Arrow in every iteration of a fit; the bytes of a block are a
CSR matrix as they stand. What tasks give back is added up in chunks of a few megabytes, so that no
task and no message holds more of a sum over items than it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.recommend.kernels.als import Ratings
from sparkperso.recommend.kernels.gradients import Factors

BLOCKS = "lengths binary, items binary, strengths binary, factors binary"
PARTS = "part int, chunk int, data binary"
CHUNK_BYTES = 4 * 2**20
"""Bytes of a part of a sum that travels as one row."""
Totals = npt.NDArray[Any]
Frames = Iterator[pa.RecordBatch]
Work = Callable[[Iterator["Block"]], Iterator[tuple[int, Totals]]]
"""Blocks of a task → (number of a chunk of rows, the task's part of its sum)."""
Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True)
class Block:
    """Some users: their ratings and, once solved, their factors (users × rank)."""

    ratings: Ratings
    factors: Factors | None = None

    def factors_of(self, rank: int) -> Factors:
        """Returns the factors (users × rank), which must be there."""
        assert self.factors is not None
        return self.factors.reshape(len(self.ratings.indptr) - 1, rank)


def pack(profiles: DataFrame, n_items: int) -> DataFrame:
    """Returns `profiles` (one row per user: items array<int>, strengths array<float>) as blocks.

    A task fails with ValueError where a position is not one of 0 … n_items-1, or where the two
    lists of a user differ in length.
    """

    def work(batches: Frames) -> Frames:
        for batch in batches:
            if batch.num_rows:
                yield packed(block_of(batch, n_items))

    columns = (F.col("items").cast("array<int>"), F.col("strengths").cast("array<float>"))
    return profiles.select(*columns).mapInArrow(work, BLOCKS)


def block_of(batch: pa.RecordBatch, n_items: int) -> Block:
    """Returns the rows of a batch (items, strengths); its lists are a CSR as they stand.

    Raises ValueError for lists of different lengths or with nulls, and for positions that are not
    0 … n_items-1: the kernels check no bounds.
    """
    lengths = pc.fill_null(pc.list_value_length(batch.column(0)), 0).to_numpy()
    others = pc.fill_null(pc.list_value_length(batch.column(1)), 0).to_numpy()
    items, strengths = (batch.column(n).flatten() for n in (0, 1))
    if not np.array_equal(lengths, others) or items.null_count or strengths.null_count:
        raise ValueError("items and strengths: expected lists of one length without nulls")
    places = items.to_numpy()
    if len(places) and (places.min() < 0 or places.max() >= n_items):
        bounds = f"{places.min()} … {places.max()}"
        raise ValueError(f"items: expected positions 0 … {n_items - 1}, found {bounds}")
    indptr = np.append(0, np.cumsum(lengths, dtype=np.int64))
    return Block(Ratings(indptr, places, strengths.to_numpy()))


def packed(block: Block) -> pa.RecordBatch:
    """Returns a block as one row of `BLOCKS`: the bytes of its arrays, 0 of them for no factors."""
    rows = block.ratings
    parts = [np.diff(rows.indptr).astype(np.int32), rows.indices, rows.values]
    parts.append(np.zeros(0, np.float32) if block.factors is None else block.factors)
    names = ["lengths", "items", "strengths", "factors"]
    return pa.record_batch([pa.array([part.tobytes()], pa.binary()) for part in parts], names=names)


def blocks_in(batches: Frames) -> Iterator[Block]:
    """Yields the blocks of a task, one after the other; their arrays are views of Arrow's bytes."""
    for batch in batches:
        for row in range(batch.num_rows):
            lengths = _array(batch.column(0)[row], np.int32)
            items = _array(batch.column(1)[row], np.int32)
            strengths = _array(batch.column(2)[row], np.float32)
            factors = _array(batch.column(3)[row], np.float32)
            indptr = np.append(0, np.cumsum(lengths, dtype=np.int64))
            ratings = Ratings(indptr, items, strengths)
            yield Block(ratings, factors if len(factors) else None)


def sum_over_blocks(blocks: DataFrame, work: Work, shape: tuple[int, int], dtype: Any) -> Totals:
    """Returns the sum (shape) of what all tasks give, in order of task.

    `work` gives chunks of `chunk_rows` rows, in `dtype`. Tasks send them to Spark, one group per
    chunk adds them up, and only the sums come to the driver. Floating sums are the same to the bit
    for the same partitions, since parts are added up in their order.
    """

    def partial(batches: Frames) -> Frames:
        from pyspark import TaskContext

        context = TaskContext.get()
        part = context.partitionId() if context else 0
        for chunk, data in work(blocks_in(batches)):
            yield _part(part, chunk, data.tobytes())

    def add(table: pa.Table) -> pa.Table:
        # In order of task: sums of floats depend on it, and parts arrive in any.
        ordered = table.sort_by("part")
        column = ordered.column("data")
        total = _array(column[0], dtype).copy()
        for row in range(1, len(column)):
            total += _array(column[row], dtype)
        return pa.Table.from_batches(
            [_part(0, ordered.column("chunk")[0].as_py(), total.tobytes())]
        )

    # Two steps, by Spark's own shuffle: a tree over the driver would carry every task's part there.
    sums = blocks.mapInArrow(partial, PARTS).groupBy("chunk").applyInArrow(add, PARTS)
    totals = np.zeros(shape, dtype=dtype)
    step = chunk_rows(shape[1], dtype)
    for batch in sums.toArrow().to_batches():
        for chunk, data in zip(
            batch.column("chunk").to_pylist(), batch.column("data"), strict=True
        ):
            rows = totals[chunk * step : (chunk + 1) * step]
            rows[:] = _array(data, dtype).reshape(rows.shape)
    return totals


def chunk_rows(width: int, dtype: Any) -> int:
    """Returns how many rows of `width` cells make a chunk: CHUNK_BYTES, but at least one row.

    >>> chunk_rows(1024, np.float64)
    512
    """
    size: int = np.dtype(dtype).itemsize
    return max(1, CHUNK_BYTES // (max(width, 1) * size))


def in_chunks(totals: Totals) -> Iterator[tuple[int, Totals]]:
    """Returns (number, rows) of all chunks of an array, without those that are all zero."""
    step = chunk_rows(totals.shape[1], totals.dtype)
    for number, first in enumerate(range(0, len(totals), step)):
        rows = totals[first : first + step]
        if rows.any():
            yield number, rows


def _part(part: int, chunk: int, data: bytes) -> pa.RecordBatch:
    columns = [pa.array([part], pa.int32()), pa.array([chunk], pa.int32())]
    return pa.record_batch([*columns, pa.array([data], pa.binary())], ["part", "chunk", "data"])


def _array(scalar: Any, dtype: type[Element]) -> npt.NDArray[Element]:
    return np.frombuffer(scalar.as_buffer(), dtype=dtype)
