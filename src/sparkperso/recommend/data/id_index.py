"""Dense integer numbers for ids: the columns of matrices, and all that MLlib's ALS takes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError
from sparkperso.platform.frames import keep_pinned

LARGEST = 2**31 - 1
"""Largest number: MLlib's ALS and the columns of index tables are 32-bit integers."""


def new_index_rows(known: DataFrame, ids: DataFrame, id_column: str, index: str) -> DataFrame:
    """Returns the rows to append to an index table: (id_column, index) of ids that it lacks.

    One row per new id. Known ids keep their number; new ones are numbered on from the largest, in
    order of id, so the result depends on the sets of ids alone. Ids are sorted into ranges, the
    ranges counted (one number per partition reaches the driver) and numbered inside: no task sees
    all ids. Raises JobError when the numbers would not fit in 32 bits.
    """
    # Known ids are never numbered anew: models are arrays by these numbers.
    fresh = ids.select(id_column).distinct().join(known, id_column, how="left_anti")
    last = known.agg(F.max(index)).first()
    start = 0 if last is None or last[0] is None else int(last[0]) + 1
    ranged = fresh.repartitionByRange(id_column).withColumn("part", F.spark_partition_id())
    # Ranges are drawn by sampling: kept, so that counting and numbering see the same ones.
    ranged = keep_pinned(ranged)
    counts = {row["part"]: row["count"] for row in ranged.groupBy("part").count().collect()}
    _require_room(start + sum(counts.values()), index)
    return _numbered(ranged, counts, start, id_column, index)


def new_index_table(known: pa.Table, ids: Iterable[str], id_column: str, index: str) -> pa.Table:
    """Returns `new_index_rows` of ids and an index that are in memory, or may be.

    >>> known = pa.table({"item_id": ["b"], "item_index": pa.array([0], pa.int32())})
    >>> new_index_table(known, ["c", "a", "b"], "item_id", "item_index").to_pylist()
    [{'item_id': 'a', 'item_index': 1}, {'item_id': 'c', 'item_index': 2}]
    """
    fresh = sorted(set(ids) - set(known.column(id_column).to_pylist()))
    last = pc.max(known.column(index)).as_py()
    start = 0 if last is None else int(last) + 1
    _require_room(start + len(fresh), index)
    numbers = pa.array(range(start, start + len(fresh)), pa.int32())
    return pa.table({id_column: pa.array(fresh, pa.string()), index: numbers})


def _require_room(n_ids: int, index: str) -> None:
    if n_ids > LARGEST:
        raise JobError(f"An index holds at most {LARGEST:,} ids", f"{index} would hold more")


def _numbered(
    ranged: DataFrame, counts: dict[int, int], start: int, id_column: str, index: str
) -> DataFrame:
    parts = sorted(counts)
    offsets = accumulate([start, *(counts[part] for part in parts[:-1])])
    rows = list(zip(parts, offsets, strict=True)) if parts else []
    spark = ranged.sparkSession
    table = F.broadcast(spark.createDataFrame(rows, "part int, offset long"))
    place = F.row_number().over(W.partitionBy("part").orderBy(id_column)) - 1
    number = (F.col("offset") + place).cast("int").alias(index)
    return ranged.join(table, "part").select(id_column, number)
