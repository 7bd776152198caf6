"""ingest-events --stream: what a collector hands over → bronze, silver, quarantine, as it comes.

Each micro-batch goes through the same rules and writes as a batch of files. Spark plans it from
its checkpoint, the same each time; Delta carries out each of its writes once.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Event
from typing import Any, Protocol

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from sparkperso.ingest.batch import Batch, plan_batch, rules_hash
from sparkperso.ingest.classify import IngestRules
from sparkperso.ingest.intake_counts import Intake
from sparkperso.ingest.key_lists import NUMBER, kept
from sparkperso.ingest.sources.files import SourceFile, named_files
from sparkperso.ingest.sources.stream_sources import classify_stream, read_folder, read_topic
from sparkperso.jobs.ingest_events.batch import Run, ingest_batch, read_ingest_rules, source_path
from sparkperso.pipeline.checkpoint import (
    Folder,
    Identity,
    checkpoint_place,
    locked,
    open_checkpoint,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.stream_progress import BatchMeasures, ProgressLog, measure
from sparkperso.platform.lake import Txn

COMPACTED = ("bronze/events", "silver/events", "silver/consents", "ops/data_quality")
POLL_SECONDS = 1
SMALL_BATCHES = {
    # Adaptive execution plans and runs every stage apart: more work than a small stage itself.
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.properties.defaults.checkpointInterval": "50",
}


class StopRequestError(Exception):
    """A micro-batch that was not begun because the stream is to stop."""


@dataclass(frozen=True)
class MicroBatch(Batch):
    """The batch of a stream: named by its checkpoint, not by its files."""

    given_name: str = ""

    @property
    def name(self) -> str:
        """Returns the name of the batch."""
        return self.given_name


@dataclass(frozen=True)
class StreamRun(Run):
    """A micro-batch on its way into the lake."""

    identity: Identity
    number: int

    def existing(self, table: str) -> DataFrame | None:
        """Returns a table as it is now: a stream outlives every version."""
        ref = self.job.lake.ref(table)
        return ref.read() if ref.exists() else None

    def txn(self, table: str) -> Txn | None:
        """Returns the name of the micro-batch's one write of a table."""
        return Txn(f"stream-{self.identity.generation}-{table}", self.number)

    def together(self, *tasks: Callable[[], Any]) -> list[Any]:
        """Carries out writes side by side: most of a small one's time is spent waiting."""
        return together(tasks)

    def accept(self, intake: Intake) -> None:
        """Lets every micro-batch on: a few bad records in a small one say nothing of the rest."""


def together(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Carries out tasks side by side; returns what they give."""
    with ThreadPoolExecutor(max(len(tasks), 1)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


@dataclass
class Stream:
    """One run of the stream: what it takes in, and the totals that it comes to."""

    job: Job
    book: IngestRules
    identity: Identity
    progress: ProgressLog
    is_stopping: Event = field(default_factory=Event)
    totals: dict[str, int] = field(default_factory=dict)
    n_batches: int = 0

    def take(self, classified: DataFrame, number: int) -> None:
        """Takes in one micro-batch; what an interrupted run wrote of it stays as it is."""
        if self.is_stopping.is_set():
            raise StopRequestError
        numbered = classified.withColumn(NUMBER, F.monotonically_increasing_id())
        with kept(numbered) as records:
            late = self.job.settings.stream.late_minutes
            measured = measure(records, late, with_files=self.identity.input == "files")
            if measured.n_records:
                self._take_in(records, number, measured)
        self.n_batches += 1
        self._compact()

    def _take_in(self, records: DataFrame, number: int, measured: BatchMeasures) -> None:
        batch = self._batch(number, named_files(self.job.spark, measured.files))
        if len(batch.files) < len(measured.files):
            records = records.where(F.col("source_file").isin([file.path for file in batch.files]))
            if not batch.files:
                return
        now = datetime.now(timezone.utc)
        figures = ingest_batch(
            StreamRun(self.job, self.book, batch, now, self.identity, number), records
        )
        for name, count in figures.items():
            self.totals[name] = self.totals.get(name, 0) + count
        self.progress.note(number, measured)

    def _batch(self, number: int, files: list[SourceFile]) -> MicroBatch:
        """The files that no batch run has taken in; of a topic there are none."""
        own = self.identity.batch_name(number)
        todo: tuple[SourceFile, ...] = ()
        if files:
            ledger = self.job.lake.ref("ops/ingested_files").read()
            others = ledger.where((F.col("ingest_batch") != own) & (F.col("status") == "done"))
            taken = plan_batch(files, self.book, others)
            todo = taken.new_to_bronze
        return MicroBatch(todo, todo, 0, rules_hash(self.book), self.book.source.name, own)

    def _compact(self) -> None:
        every = self.job.settings.stream.compact_every
        if every and self.n_batches % every == 0:
            for table in (*COMPACTED, "ops/ingested_files", "ops/stream_progress"):
                self.job.lake.writer(table).compact()


def follow_source(job: Job) -> Summary:
    """Follows the source until it is stopped, or with --available-now until all is in."""
    book = read_ingest_rules(job)
    place = checkpoint_place(job, book.source.name)
    lines, wanted = open_input(job, book)
    Folder(job, place).create()
    with locked(place):
        identity = open_checkpoint(job, place, wanted)
        stream = Stream(job, book, identity, ProgressLog(job, identity))
        with for_small_batches(job):
            query = start(job, classify_stream(lines, book), stream, place)
            job.say(f"Following {wanted.place}; checkpoint {place}")
            with stopping_on_signals(stream.is_stopping):
                follow(query, stream)
    names = ("received", "valid", "quarantined", "duplicates", "refused")
    return {
        **{name: stream.totals.get(name, 0) for name in names},
        "micro-batches": stream.n_batches,
    }


def open_input(job: Job, book: IngestRules) -> tuple[DataFrame, Identity]:
    """Returns the endless lines, and whose checkpoint they need."""
    config, name = job.settings.stream, book.source.name
    if config.input == "kafka":
        identity = Identity(name, "kafka", config.kafka.topic, rules_hash(book))
        return read_topic(job.spark, config), identity
    path = source_path(job, book.source)
    Folder(job, path).create()
    given = job.options.get("path") or book.source.path or path
    return read_folder(job.spark, path, config), Identity(name, "files", given, rules_hash(book))


def start(job: Job, classified: DataFrame, stream: Stream, place: str) -> StreamingQuery:
    """Starts the query."""
    writer = classified.writeStream.foreachBatch(stream.take).option("checkpointLocation", place)
    return run_query(job, writer, job.settings.stream.trigger_seconds)


def run_query(job: Job, writer: DataStreamWriter, seconds: float) -> StreamingQuery:
    """Starts a query as the options say; else it begins a micro-batch every `seconds` at most."""
    asked = job.options.get("trigger")
    seconds = seconds if asked is None else asked
    if job.options.get("available_now"):
        return run_to_end(writer)
    return writer.trigger(processingTime=f"{round(seconds * 1000)} milliseconds").start()


def run_to_end(writer: DataStreamWriter) -> StreamingQuery:
    """Starts a query that ends when all that there is now is in."""
    return writer.trigger(availableNow=True).start()


class Progress(Protocol):
    """Writes down what a query tells of itself."""

    def write(self, query: StreamingQuery, at_once: bool = False) -> None:
        """Writes down what is new, now or when it is time."""


class RunningStream(Protocol):
    """A stream while it runs."""

    @property
    def is_stopping(self) -> Event:
        """Set when it is to stop."""

    @property
    def progress(self) -> Progress:
        """Told of the query."""


def follow(query: StreamingQuery, stream: RunningStream) -> None:
    """Waits for the end of the query, and writes down its progress.

    On a request to stop, the micro-batch that is under way is finished and none is begun.
    """
    try:
        while not query.awaitTermination(POLL_SECONDS):
            stream.progress.write(query)
            if stream.is_stopping.is_set() and not query.status["isTriggerActive"]:
                query.stop()
    except StreamingQueryException:
        if not stream.is_stopping.is_set():
            raise
    finally:
        with suppress(Exception):
            query.stop()
        stream.progress.write(query, at_once=True)


@contextmanager
def for_small_batches(job: Job, others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Sets the session to batches of a few thousand records, and `others`, inside the block."""
    partitions = max(2, min(8, job.spark.sparkContext.defaultParallelism))
    wanted = {**SMALL_BATCHES, **(others or {}), "spark.sql.shuffle.partitions": str(partitions)}
    conf = job.spark.conf
    former = {name: conf.get(name, None) for name in wanted}
    try:
        for name, value in wanted.items():
            conf.set(name, value)
        yield
    finally:
        for name, before in former.items():
            if before is None:
                conf.unset(name)
            else:
                conf.set(name, before)


@contextmanager
def stopping_on_signals(is_stopping: Event) -> Iterator[None]:
    """Lets SIGTERM and SIGINT set the event inside the block."""
    wanted = (signal.SIGTERM, signal.SIGINT)
    former = {number: signal.signal(number, lambda *_: is_stopping.set()) for number in wanted}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
