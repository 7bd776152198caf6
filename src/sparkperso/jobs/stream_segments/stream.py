"""One run of stream-segments: its micro-batches, sweeps and the time that it goes by."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from sparkperso.config.segments import KMeansSegmentation
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import JobError
from sparkperso.core.threads import together
from sparkperso.jobs.stream_segments.hourly_counters import HourlyCounters
from sparkperso.jobs.stream_segments.memberships import Memberships
from sparkperso.jobs.stream_segments.new_users import assign_new_users
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.streaming import StopRequestError
from sparkperso.platform.frames import cached
from sparkperso.platform.literals import aware, moment
from sparkperso.segments.live.counters import LAST_AT
from sparkperso.segments.live.hours import BATCH


@dataclass
class LateEventCount:
    """Counts the events that came too late for their hour."""

    n_rows: int = 0
    _last: int = -1

    def add(self, query: StreamingQuery) -> None:
        """Adds up what the query has reported since the last time."""
        for progress in query.recentProgress:
            if progress["batchId"] > self._last:
                self._last = progress["batchId"]
                states = progress["stateOperators"]
                self.n_rows += sum(state["numRowsDroppedByWatermark"] for state in states)


@dataclass
class SegmentStream:
    """What is known at the last micro-batch."""

    job: Job
    members: Memberships
    clusterings: Sequence[KMeansSegmentation] = ()
    is_stopping: Event = field(default_factory=Event)
    late: LateEventCount = field(default_factory=LateEventCount)
    relays: dict[str, StreamingQuery] = field(default_factory=dict)
    """Where changes are sent to, beside this → the query that sends them."""
    now: int = 0
    """The time that windows end at, microseconds since 1970."""
    n_batches: int = 0
    n_changes: int = 0
    n_sweeps: int = 0
    _swept_at: float = 0.0
    _is_settled: bool = True
    _lock: Lock = field(default_factory=Lock)

    @property
    def hours(self) -> HourlyCounters:
        """Returns the counters."""
        return self.members.hours

    @property
    def progress(self) -> SegmentStream:
        """Returns what notes the query's reports while it runs: the stream itself."""
        return self

    def write(self, query: StreamingQuery, at_once: bool = False) -> None:
        """Notes what the query reports, and sweeps when no micro-batch is there to do it.

        Raises JobError when a relay fails.
        """
        self.late.add(query)
        self._require_relays()
        if not at_once and self.n_sweeps and self._lock.acquire(blocking=False):
            try:
                if self._is_sweep_due() and self._may_have_changed():
                    self.sweep()
            finally:
                self._lock.release()

    def begin(self) -> None:
        """Takes up the time of the run before: what comes next may be late."""
        self.now = self._later(self.hours.latest())

    def take(self, rows: DataFrame, number: int) -> None:
        """Takes in the hours that a micro-batch changed; after the first sweep, who moved too."""
        if self.is_stopping.is_set():
            raise StopRequestError
        with self._lock, cached(rows.withColumn(BATCH, F.lit(number))) as batch:
            size, latest = batch.agg(F.count("*"), F.max(LAST_AT)).collect()[0]
            self.now = self._later(latest or self.now)
            is_due = self.n_sweeps > 0 and self._is_sweep_due()
            # Side by side: members are computed from the batch, not from the table with it.
            tasks = [partial(self.hours.add, batch)] if size else []
            if size and self.n_sweeps and not is_due:
                tasks.append(partial(self._update, batch, number))
            together(*tasks)
            self._is_settled = self._is_settled and not size
            if is_due:
                self.sweep()
        self.n_batches += 1

    def sweep(self) -> None:
        """Looks at everybody, and at those who are new since the last features."""
        self.now = self._later(self.now)
        self.n_changes += self.members.sweep(self.now)
        known, hours = self.members.attributes.frame, self.hours.everybody()
        self.n_changes += assign_new_users(self.job, self.clusterings, hours, known, self.now)
        self.n_sweeps += 1
        if self.n_sweeps % self.job.settings.segments.live.compact_sweeps == 0:
            self.hours.compact(self.now)
        self._swept_at, self._is_settled = time.monotonic(), True

    def close(self) -> None:
        """Lets go of what is held in memory from sweep to sweep."""
        self.members.kept.close()
        self.members.attributes.kept.close()

    def summary(self) -> Summary:
        """Returns the figures to print; late are events whose hour was over (Spark's watermark)."""
        late = {"late, left to build-segments": self.late.n_rows}
        return {
            "as of": aware(moment(self.now)).isoformat(sep=" ", timespec="seconds"),
            "micro-batches": self.n_batches,
            "sweeps": self.n_sweeps,
            "entered and left": self.n_changes,
            **(late if self.late.n_rows else {}),
        }

    def _require_relays(self) -> None:
        for place, query in self.relays.items():
            failure = query.exception()
            if failure:
                raise JobError(
                    f"Every change should be sent to {place}",
                    cause_of(failure),
                    "Fix it or its settings; the next run sends what is missing",
                )

    def _update(self, batch: DataFrame, number: int) -> None:
        self.n_changes += self.members.update(batch, number, self.now)

    @property
    def _is_by_the_wall(self) -> bool:
        return self.job.settings.segments.live.clock == "wall"

    def _may_have_changed(self) -> bool:
        # By the events' clock nothing moves without events, but newer features may move somebody.
        return self._is_by_the_wall or not self._is_settled or self.members.attributes.are_old()

    def _later(self, latest: int) -> int:
        return time.time_ns() // 1000 if self._is_by_the_wall else max(self.now, latest)

    def _is_sweep_due(self) -> bool:
        waited = time.monotonic() - self._swept_at
        return waited >= self.job.settings.segments.live.sweep_seconds
