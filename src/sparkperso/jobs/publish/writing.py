"""Records of a frame into a draft: by tasks where they reach the store, else through sorted files.

LMDB has one writer, on one machine, and is fastest where keys grow. So tasks write sorted files
into the lake, and the driver merges them, a few batches at a time.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.places import local_path
from sparkperso.pipeline.job import Job
from sparkperso.platform.filesystem import FileSystem
from sparkperso.services.stores.base import Draft, Record

ROWS = 1_000
"""Rows of a file in memory at a time."""
WRITTEN = "namespace string, n bigint"


def write_in_tasks(records: DataFrame, draft: Draft) -> Mapping[str, int]:
    """Writes records (namespace, key, value) from the tasks that make them.

    Returns how many they were, by namespace.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            for namespace in rows.column("namespace").unique().to_pylist():
                some = rows.filter(pa.compute.field("namespace") == namespace)
                pairs = zip(some["key"].to_pylist(), some["value"].to_pylist(), strict=True)
                written = draft.write(namespace, pairs)
                yield pa.RecordBatch.from_pydict({"namespace": [namespace], "n": [written]})

    counts = records.mapInArrow(write, WRITTEN).groupBy("namespace").agg(F.sum("n"))
    return {row[0]: row[1] for row in counts.collect()}


def write_through_files(job: Job, records: DataFrame, draft: Draft) -> Mapping[str, int]:
    """Writes records (namespace, key, value) by way of sorted files in `_staging` of the lake.

    Returns how many they were, by namespace.
    """
    files, place = FileSystem(job.spark), f"{job.settings.lake.root}/_staging/publish-{job.run_id}"
    try:
        # Each task's part is of one or more namespaces, and sorted in each: a file per namespace.
        sorted_records = records.sortWithinPartitions("namespace", "key")
        writer = sorted_records.write.partitionBy("namespace")
        writer.option("parquet.enable.dictionary", "false").parquet(place)
        with tempfile.TemporaryDirectory(prefix="sparkperso-publish-") as scratch:
            folder = local_path(place)
            if folder is None:
                folder = f"{scratch}/parts"
                files.fetch(place, folder)
            return {
                part.name.removeprefix("namespace="): draft.write(
                    part.name.removeprefix("namespace="), _merged(part)
                )
                for part in sorted(Path(folder).glob("namespace=*"))
            }
    finally:
        files.delete(place)


def _merged(folder: Path) -> Iterator[Record]:
    """The records of sorted files in one order; no key is in two of them."""
    return heapq.merge(*(_records_of(file) for file in sorted(folder.glob("*.parquet"))))


def _records_of(file: Path) -> Iterator[Record]:
    for batch in pq.ParquetFile(file).iter_batches(ROWS, columns=["key", "value"]):
        yield from zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True)
