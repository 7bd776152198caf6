"""Similar items: nearest by the cosine of their factors, exact or approximate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.config.lists import ListsConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE
from sparkperso.core.errors import JobError
from sparkperso.recommend.arrays.histories import Ints
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
Nearest = Callable[[Ints], Lists]


def similar_items(
    factors: DataFrame, config: ListsConfig, max_items: int, hidden: Collection[str] = ()
) -> DataFrame:
    """Returns gold/similar_items: item_id, rank, other_item_id, score (cosine of the factors).

    `factors` has item_id and factors. Every item asks for its nearest, itself and `hidden` items
    left out; above `config.exact_items` items a graph is searched, which is built here, once.
    Raises JobError beyond `max_items` items.
    """
    items = load_directions(factors, max_items, hidden)
    spark = factors.sparkSession
    is_large = len(items.ids) > config.exact_items
    graph = build_graph(items, config.graph) if is_large else None
    held = spark.sparkContext.broadcast((items, graph))
    tiles = spark.range(0, len(items.ids), TILE).repartition(spark.sparkContext.defaultParallelism)

    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        directions, own = held.value
        find = finder(directions, own, config)
        for batch in batches:
            for start in batch.column(0).to_pylist():
                asking = np.arange(start, min(start + TILE, len(directions.ids)))
                yield from as_table(directions, asking, find(asking)).to_batches()

    return tiles.mapInArrow(nearest, SCHEMA)


def finder(items: Directions, graph: bytes | None, config: ListsConfig) -> Nearest:
    """Returns what finds the nearest of some items; without a graph, among all."""
    n = config.n_similar
    if graph is None:
        return lambda asking: nearest_exact(items, asking, n)
    index = open_graph(graph, config.graph)
    return lambda asking: nearest_in(index, items, asking, n)


def as_table(items: Directions, asking: Ints, found: Lists) -> pa.Table:
    """Returns lists of the items that asked as SCHEMA says."""
    at, places = np.nonzero(found.items >= 0)
    others = found.items[at, places]
    return pa.table(
        {
            ITEM_ID: pa.array(items.ids[asking[at]], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            "other_item_id": pa.array(items.ids[others], pa.string()),
            SCORE: pa.array(found.scores[at, places] + 0.0, pa.float64()),
        }
    )


def load_directions(factors: DataFrame, max_items: int, hidden: Collection[str] = ()) -> Directions:
    """Returns the items in order of their ids, their factors at length 1.

    Raises JobError beyond `max_items` items.
    """
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
    shown = ~np.isin(ids.astype(str), np.array(list(hidden), dtype=str))
    return Directions(ids, vectors / np.where(length > 0, length, 1), shown)
