"""Similar items: nearest by the cosine of their factors, exact or approximate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.columns import ITEM_ID, RANK, SCORE
from sparkperso.errors import JobError
from sparkperso.recommend.histories import Singles, Texts
from sparkperso.recommend.listing import select_from

DECIMALS = 6
TILE = 256
SCHEMA = f"{ITEM_ID} string, {RANK} int, other_item_id string, {SCORE} double"


def similar_items(factors: DataFrame, n: int, max_items: int) -> DataFrame:
    """Returns gold/similar_items: item_id, rank, other_item_id, score (cosine of the factors).

    `factors` has item_id and factors. Every item asks for its nearest, itself left out. Raises
    JobError beyond `max_items` items.
    """
    ids, directions = load_directions(factors, max_items)
    spark = factors.sparkSession
    held = spark.sparkContext.broadcast((ids, directions))
    blocks = spark.range(0, len(ids), TILE).repartition(spark.sparkContext.defaultParallelism)

    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        names, vectors = held.value
        for batch in batches:
            for start in batch.column(0).to_pylist():
                yield from exact_block(names, vectors, start, n).to_batches()

    return blocks.mapInArrow(nearest, SCHEMA)


def exact_block(ids: Texts, directions: Singles, start: int, n: int) -> pa.Table:
    """Returns the nearest of the items from `start` on, a tile of them."""
    asking = directions[start : start + TILE].astype(np.float64)
    scores = np.round(asking @ directions.T.astype(np.float64), DECIMALS)
    rows = np.arange(len(asking))
    scores[rows, start + rows] = -np.inf
    found = select_from(scores.astype(np.float32), n)
    at, places = np.nonzero(found.items >= 0)
    items = found.items[at, places]
    return pa.table(
        {
            ITEM_ID: pa.array(ids[start + at], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            "other_item_id": pa.array(ids[items], pa.string()),
            SCORE: pa.array(scores[at, items] + 0.0, pa.float64()),
        }
    )


def load_directions(factors: DataFrame, max_items: int) -> tuple[Texts, Singles]:
    """Returns the ids in order, and the factors at length 1 (items × rank)."""
    table = factors.select(ITEM_ID, "factors").limit(max_items + 1).toArrow().sort_by(ITEM_ID)
    if table.num_rows > max_items:
        raise JobError(
            f"At most {max_items:,} items can be held in one process",
            "There are more",
            "Raise recommend.max_driver_items, and driver and executor memory with it",
        )
    values = table.column("factors").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = values.astype(np.float32).reshape(table.num_rows, -1 if table.num_rows else 0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.asarray(table.column(ITEM_ID).to_pylist(), dtype=object)
    return ids, vectors / np.where(length > 0, length, 1)
