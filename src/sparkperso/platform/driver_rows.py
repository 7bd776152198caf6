"""Rows that this process holds, as frames: cut so that no task carries many of them.

A task is serialised in the driver's memory with the rows that it brings along, as many tasks at a
time as there are cores. With all rows in so few tasks, half a gigabyte of them fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import ceil
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

SLICE_BYTES = 32 * 2**20
"""Bytes of Arrow that one relation of a plan holds."""


def arrow_frame(spark: SparkSession, table: pa.Table, schema: str | None = None) -> DataFrame:
    """Returns the rows of a table in memory, in their order; `schema` where types alone differ."""
    n_slices = max(1, ceil(table.nbytes / SLICE_BYTES))
    size = max(1, ceil(table.num_rows / n_slices))
    starts = range(0, max(table.num_rows, 1), size)
    parts = (table.slice(start, size) for start in starts)
    frames = [spark.createDataFrame(part, schema) for part in parts]
    return reduce(DataFrame.unionAll, frames)


def block_frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: str) -> DataFrame:
    """Returns rows of some megabytes each, such as blocks of arrays: one to a task."""
    return spark.createDataFrame(spark.sparkContext.parallelize(rows, max(len(rows), 1)), schema)
