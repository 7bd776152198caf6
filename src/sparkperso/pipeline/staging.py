"""Keeps a frame that several writes come from, so that it is worked out, and counted, once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame

from sparkperso.ingest.sources.files import literal
from sparkperso.pipeline.job import Job
from sparkperso.platform.filesystem import FileSystem
from sparkperso.platform.frames import pinned

MEASURES = "staged"


@dataclass(frozen=True)
class Staged:
    """A frame that is worked out, and the aggregates that were taken of it on the way."""

    frame: DataFrame
    measures: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def staged(
    job: Job, frame: DataFrame, name: str, measures: Mapping[str, Column]
) -> Iterator[Staged]:
    """Gives `frame` worked out once, where `lake.staging` says, and aggregates of it by name.

    On the executors' disks rows lie as they are: to make Parquet of them would cost more than to
    work them out. A lost executor takes its part along and fails the run. In the lake they are a
    scratch folder of Parquet, without dictionaries, which outlives executors.
    """
    if job.settings.lake.staging == "executors":
        with checkpointed(frame, measures, StorageLevel.DISK_ONLY) as kept:
            yield kept
        return
    place = f"{job.settings.lake.root}/_staging/{name}"
    try:
        writer = frame.write.mode("overwrite").option("parquet.enable.dictionary", "false")
        writer.parquet(place)
        written = job.spark.read.schema(frame.schema).parquet(literal(place))
        row = written.agg(*_named(measures)).first() if measures else None
        yield Staged(written, row.asDict() if row else {})
    finally:
        FileSystem(job.spark).delete(place)


@contextmanager
def checkpointed(
    frame: DataFrame,
    measures: Mapping[str, Column],
    level: StorageLevel = StorageLevel.MEMORY_AND_DISK,
) -> Iterator[Staged]:
    """Gives `frame` worked out on the executors, and aggregates that one pass took; then frees it.

    Its rows lie as they were worked out, in order and number too, and are not worked out again:
    where a part is lost, its readers fail.
    """
    observed = frame.observe(MEASURES, *_named(measures)) if measures else frame
    with pinned(observed, level) as kept:
        yield Staged(kept, _observed(observed) if measures else {})


def _observed(frame: DataFrame) -> dict[str, Any]:
    """What the pass that has just ended observed.

    Asked of the pass itself: an Observation would wait for a listener to be told, and for ever
    where that is lost. Each part counts once, however often its task was tried.
    """
    execution: Any = frame._jdf.queryExecution()
    found: dict[str, Any] = json.loads(execution.observedMetrics().apply(MEASURES).json())
    return found


def _named(measures: Mapping[str, Column]) -> list[Column]:
    return [measure.alias(name) for name, measure in measures.items()]
