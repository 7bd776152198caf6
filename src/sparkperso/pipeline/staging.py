"""Keeps a frame that several writes come from, so that it is worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from sparkperso.ingest.sources.files import literal
from sparkperso.pipeline.job import Job


@contextmanager
def staged(job: Job, frame: DataFrame, name: str) -> Iterator[DataFrame]:
    """Gives `frame` worked out: a Parquet scratch folder in the lake, removed at the end.

    Columns can be read apart from it, which a cache does not allow. With a catalog there is no
    folder of ours, and Spark's cache on disk has to do.
    """
    if job.settings.lake.catalog:
        kept = frame.persist(StorageLevel.DISK_ONLY)
        try:
            yield kept
        finally:
            kept.unpersist()
        return
    place = f"{job.settings.lake.root}/_staging/{name}"
    try:
        frame.write.mode("overwrite").parquet(place)
        yield job.spark.read.schema(frame.schema).parquet(literal(place))
    finally:
        _remove(job, place)


def _remove(job: Job, place: str) -> None:
    jvm: Any = job.spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(place)
    path.getFileSystem(job.spark._jsc.hadoopConfiguration()).delete(path, True)
