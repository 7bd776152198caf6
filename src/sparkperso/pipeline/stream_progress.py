"""Lag and rates of a stream, written to ops/stream_progress aside from the micro-batches."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from sparkperso.pipeline.checkpoint import Identity
from sparkperso.pipeline.job import Job

TABLE = "ops/stream_progress"
WRITE_SECONDS = 10


@dataclass(frozen=True)
class BatchMeasures:
    """What a micro-batch holds; times of arrival in seconds since 1970."""

    n_records: int
    n_late: int
    oldest: float
    median: float
    files: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredBatch:
    """A micro-batch whose events are in silver, at `finished` in seconds since 1970."""

    measured: BatchMeasures
    finished: float


def progress_measures(late_minutes: float, with_files: bool) -> dict[str, Column]:
    """Returns what a micro-batch holds as aggregates over its classified records.

    Late are accepted records that arrived over `late_minutes` after they happened. The median of
    the arrival is Spark's percentile_approx.
    """
    arrival = F.unix_micros("received_at") / 1e6
    is_late = arrival - F.unix_micros("timestamp") / 1e6 > 60 * late_minutes
    return {
        "n_records": F.count("*"),
        "n_late": F.count_if(is_late & ~F.col("is_rejected")),
        "oldest": F.min(arrival),
        "median": F.percentile_approx(arrival, 0.5),
        **({"files": F.collect_set("source_file")} if with_files else {}),
    }


def batch_measures(measures: Mapping[str, Any]) -> BatchMeasures:
    """Returns what `progress_measures` came to; others beside them do not matter."""
    oldest, median = (float(measures.get(name) or 0) for name in ("oldest", "median"))
    files = tuple(measures.get("files") or ())
    return BatchMeasures(measures["n_records"], measures["n_late"], oldest, median, files)


@dataclass
class ProgressLog:
    """Micro-batches noted but not written down yet. What is lost in a crash are these figures."""

    job: Job
    identity: Identity
    _noted: dict[int, MeasuredBatch] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _last_write: float = field(default_factory=time.monotonic)

    def note(self, number: int, measured: BatchMeasures) -> None:
        """Keeps what is known of a micro-batch until Spark reports its rates."""
        with self._lock:
            self._noted[number] = MeasuredBatch(measured, time.time())

    def write(self, query: StreamingQuery, at_once: bool = False) -> None:
        """Writes down what the query reported since the last time, every WRITE_SECONDS at most."""
        if not at_once and time.monotonic() - self._last_write < WRITE_SECONDS:
            return
        self._last_write = time.monotonic()
        reports = {progress["batchId"]: progress for progress in query.recentProgress}
        with self._lock:
            both = {number: self._noted.pop(number) for number in reports if number in self._noted}
        rows = [self._row(number, noted, reports[number]) for number, noted in both.items()]
        if rows:
            self.job.writer(TABLE).append_rows(rows)

    def _row(self, number: int, noted: MeasuredBatch, report: Any) -> tuple[Any, ...]:
        measured, source = noted.measured, report["sources"][0]
        metrics = source["metrics"] or {}
        return (
            *(self.job.run_id, self.identity.source, self.identity.generation, number),
            self.identity.batch_name(number),
            datetime.fromisoformat(report["timestamp"].replace("Z", "+00:00")),
            datetime.fromtimestamp(noted.finished, timezone.utc),
            *(measured.n_records, measured.n_late),
            report["inputRowsPerSecond"],
            report["processedRowsPerSecond"],
            _number(metrics.get("maxOffsetsBehindLatest"), int),
            _number(metrics.get("avgOffsetsBehindLatest"), float),
            noted.finished - measured.oldest,
            noted.finished - measured.median,
        )


def _number(text: Any, kind: type) -> Any:
    return None if text is None else kind(float(text))
