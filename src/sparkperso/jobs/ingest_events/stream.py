"""ingest-events --stream: what a collector hands over → bronze, silver, quarantine, as it comes.

Each micro-batch goes through the same rules and writes as a batch of files. Spark plans it from
its checkpoint, the same each time; Delta carries out each of its writes once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Event

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from sparkperso.ingest.batch import Batch, plan_batch, rules_hash
from sparkperso.ingest.classify import IngestRules
from sparkperso.ingest.intake import Intake, take_in
from sparkperso.ingest.intake_counts import count_intake, intake_counts, intake_measures
from sparkperso.ingest.key_lists import NUMBER
from sparkperso.ingest.sources.files import SourceFile, named_files
from sparkperso.ingest.sources.stream_sources import classify_stream, read_folder, read_topic
from sparkperso.jobs.ingest_events.batch import read_ingest_rules, source_path
from sparkperso.pipeline.checkpoint import (
    Identity,
    checkpoint_place,
    locked,
    open_checkpoint,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.staging import Staged, checkpointed
from sparkperso.pipeline.stream_progress import (
    BatchMeasures,
    ProgressLog,
    batch_measures,
    progress_measures,
)
from sparkperso.pipeline.streaming import (
    StopRequestError,
    follow,
    for_small_batches,
    run_query,
    stopping_on_signals,
)
from sparkperso.platform.filesystem import FileSystem
from sparkperso.platform.lake import Txn

COMPACTED = ("bronze/events", "silver/events", "silver/consents", "ops/data_quality")


@dataclass
class Stream:
    """One run of the stream: what it takes in, and the totals that it comes to."""

    job: Job
    rules: IngestRules
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
        late = self.job.settings.stream.late_minutes
        of_progress = progress_measures(late, with_files=self.identity.input == "files")
        with checkpointed(numbered, {**intake_measures(), **of_progress}) as staged:
            measured = batch_measures(staged.measures)
            if measured.n_records:
                self._take_in(staged, number, measured)
        self.n_batches += 1
        self._compact()

    def _take_in(self, staged: Staged, number: int, measured: BatchMeasures) -> None:
        batch = self._batch(number, named_files(self.job.spark, measured.files))
        records, counts = staged.frame, intake_counts(staged.measures)
        if len(batch.files) < len(measured.files):
            if not batch.files:
                return
            records = records.where(F.col("source_file").isin([file.path for file in batch.files]))
            counts = count_intake(records)
        figures = take_in(self._intake(batch, number), records, counts)
        for name, count in figures.items():
            self.totals[name] = self.totals.get(name, 0) + count
        self.progress.note(number, measured)

    def _intake(self, batch: Batch, number: int) -> Intake:
        """A few bad records of a small batch say nothing of the rest: there is no gate."""

        def txn(table: str) -> Txn:
            return Txn(f"stream-{self.identity.generation}-{table}", number)

        job, now = self.job, datetime.now(timezone.utc)
        return Intake(job.lake, job.run_id, job.settings, self.rules, batch, now, txn)

    def _batch(self, number: int, files: list[SourceFile]) -> Batch:
        """The files that no batch run has taken in; of a topic there are none."""
        own = self.identity.batch_name(number)
        todo: tuple[SourceFile, ...] = ()
        if files:
            ledger = self.job.lake.ref("ops/ingested_files").read()
            others = ledger.where((F.col("ingest_batch") != own) & (F.col("status") == "done"))
            taken = plan_batch(files, self.rules, others)
            todo = taken.new_to_bronze
        return Batch(todo, todo, 0, rules_hash(self.rules), self.rules.source.name, own)

    def _compact(self) -> None:
        every = self.job.settings.stream.compact_every
        if every and self.n_batches % every == 0:
            for table in (*COMPACTED, "ops/ingested_files", "ops/stream_progress"):
                self.job.lake.writer(table).compact()


def follow_source(job: Job) -> Summary:
    """Follows the source until it is stopped, or with --available-now until all is in."""
    rules = read_ingest_rules(job)
    place = checkpoint_place(job, rules.source.name)
    lines, wanted = open_input(job, rules)
    FileSystem(job.spark).create(place)
    with locked(place):
        identity = open_checkpoint(job, place, wanted)
        stream = Stream(job, rules, identity, ProgressLog(job, identity))
        with for_small_batches(job):
            query = start(job, classify_stream(lines, rules), stream, place)
            job.say(f"Following {wanted.place}; checkpoint {place}")
            with stopping_on_signals(stream.is_stopping):
                follow(query, stream)
    names = ("received", "valid", "quarantined", "duplicates", "refused")
    return {
        **{name: stream.totals.get(name, 0) for name in names},
        "micro-batches": stream.n_batches,
    }


def open_input(job: Job, rules: IngestRules) -> tuple[DataFrame, Identity]:
    """Returns the endless lines, and whose checkpoint they need."""
    config, name = job.settings.stream, rules.source.name
    if config.input == "kafka":
        identity = Identity(name, "kafka", config.kafka.topic, rules_hash(rules))
        return read_topic(job.spark, config), identity
    path = source_path(job, rules.source)
    FileSystem(job.spark).create(path)
    given = job.options.get("path") or rules.source.path or path
    return read_folder(job.spark, path, config), Identity(name, "files", given, rules_hash(rules))


def start(job: Job, classified: DataFrame, stream: Stream, place: str) -> StreamingQuery:
    """Starts the query."""
    writer = classified.writeStream.foreachBatch(stream.take).option("checkpointLocation", place)
    return run_query(job, writer, job.settings.stream.trigger_seconds)
