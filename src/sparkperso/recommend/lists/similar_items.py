"""Similar items: nearest by the cosine of their factors, exact or approximate."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE
from sparkperso.core.errors import JobError
from sparkperso.platform.frames import keep_broadcast
from sparkperso.recommend.arrays.numbers import Ints
from sparkperso.recommend.scoring.nearest_items import (
    TILE,
    Directions,
    build_graph,
    nearest_exact,
    nearest_in,
    open_graph,
)
from sparkperso.recommend.scoring.top_n import Lists

SCHEMA = f"{ITEM_ID} string, {RANK} int, other_item_id string, {SCORE} double"


def similar_items(
    spark: SparkSession,
    factors: DataFrame | pa.Table,
    config: ListsConfig,
    max_items: int,
    hidden: Collection[str] = (),
) -> DataFrame:
    """Returns gold/similar_items: item_id, rank, other_item_id, score (cosine of the factors).

    One row per (item_id, rank). `factors` has item_id and factors. Each item has its
    `config.n_similar` nearest, itself and `hidden` items left out: up to `config.exact_items` items
    right here, above in tasks that search a graph, which is built here, once. Raises JobError
    beyond `max_items` items.
    """
    items = load_directions(factors, max_items, hidden)
    if len(items.ids) <= config.exact_items:
        return spark.createDataFrame(exact_table(items, config), SCHEMA)
    held = keep_broadcast(spark, (items, build_graph(items, config.graph)))
    n = config.n_similar
    # Tasks get numbers of tiles, not items: all items are in the broadcast.
    tiles = spark.range(0, len(items.ids), TILE).repartition(spark.sparkContext.defaultParallelism)

    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        directions, own = held.value
        index = open_graph(own, config.graph)
        for batch in batches:
            for start in batch.column(0).to_pylist():
                tile = np.arange(start, min(start + TILE, len(directions.ids)))
                lists = nearest_in(index, directions, tile, n)
                yield from as_table(directions, tile, lists).to_batches()

    return tiles.mapInArrow(nearest, SCHEMA)


def exact_table(items: Directions, config: ListsConfig) -> pa.Table:
    """Returns every item's nearest among all, in memory, as SCHEMA says."""
    starts = range(0, len(items.ids), TILE)
    tiles = [np.arange(start, min(start + TILE, len(items.ids))) for start in starts]
    tables = [as_table(items, tile, nearest_exact(items, tile, config.n_similar)) for tile in tiles]
    # Without items there are no tables, and the schema is wanted all the same.
    none = as_table(items, np.arange(0), Lists(np.zeros((0, 0), int), np.zeros((0, 0))))
    return pa.concat_tables([none, *tables])


def as_table(items: Directions, queries: Ints, lists: Lists) -> pa.Table:
    """Returns lists, one per item of `queries`, as SCHEMA says: one row per listed item."""
    at, places = np.nonzero(lists.items >= 0)
    others = lists.items[at, places]
    return pa.table(
        {
            ITEM_ID: pa.array(items.ids[queries[at]], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            "other_item_id": pa.array(items.ids[others], pa.string()),
            # Plus 0.0: a cosine of -0.0 is written as 0.0.
            SCORE: pa.array(lists.scores[at, places] + 0.0, pa.float64()),
        }
    )


def load_directions(
    factors: DataFrame | pa.Table, max_items: int, hidden: Collection[str] = ()
) -> Directions:
    """Returns the items in order of their ids, their factors at length 1.

    `factors` has item_id and factors, one row per item; factors of length 0 stay 0. Raises JobError
    beyond `max_items` items.
    """
    if isinstance(factors, DataFrame):
        factors = factors.select(ITEM_ID, "factors").limit(max_items + 1).toArrow()
    table = factors.sort_by(ITEM_ID)
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
    shown = ~np.isin(ids.astype(str), np.array(list(hidden), dtype=str))
    return Directions(ids, vectors / np.where(length > 0, length, 1), shown)
