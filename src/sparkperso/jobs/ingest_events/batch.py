"""ingest-events: files → bronze, silver (events, items, consents), quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import load_named
from sparkperso.config.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import QualityGateError, UsageError
from sparkperso.ingest.batch import Batch, plan_batch
from sparkperso.ingest.classify import IngestRules, classify_files, valid_events
from sparkperso.ingest.consent_check import with_refusals
from sparkperso.ingest.consents import consent_rows
from sparkperso.ingest.deduplicate import deduplicated
from sparkperso.ingest.intake_counts import (
    Intake,
    count_intake,
    require_few_rejected,
    require_records,
)
from sparkperso.ingest.items import SAID, changed_items
from sparkperso.ingest.key_lists import kept
from sparkperso.ingest.quarantine import new_rejections
from sparkperso.ingest.sources.files import SourceFile, list_files, resolve_path
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.ingest.sources.stream_sources import topic_columns
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.staging import staged
from sparkperso.pipeline.step import Step
from sparkperso.platform.lake import Txn
from sparkperso.privacy import load_keys
from sparkperso.schemas import TABLES


def action(job: Job) -> Summary:
    """Takes in what waits, or as a stream what comes; returns the run's counts."""
    if job.options.get("stream"):
        followed: Summary = import_module("sparkperso.jobs.ingest_events.stream").follow_source(job)
        return followed
    for name in ("available_now", "trigger"):
        if job.options.get(name):
            raise UsageError(f"--{name.replace('_', '-')} is for --stream", "", "Add --stream")
    return ingest_files(job)


def ingest_files(job: Job) -> Summary:
    """Takes in the new files of a source; returns the run's counts."""
    book = read_ingest_rules(job)
    files = new_files(job, book.source)
    batch = plan_batch(files, book, job.lake.ref("ops/ingested_files").read())
    if not batch.files:
        return {**_figures(Intake(0, 0, 0), 0, 0), "files": 0, "skipped files": batch.n_skipped}
    run = Run(job, book, batch, datetime.now(timezone.utc))
    with ExitStack() as stack:
        with unreadable_files_named():
            classified = classify_files(job.spark, batch.files, book, run.received_at)
            records = stack.enter_context(staged(job, classified, batch.name))
        figures = ingest_batch(run, records)
    return {**figures, "files": len(batch.files), "skipped files": batch.n_skipped}


def read_ingest_rules(job: Job) -> IngestRules:
    """Returns the source, the tracking plan and the rules that the job was asked for."""
    config = job.settings.ingest
    return IngestRules(
        load_named("sources", job.options["source"], SourceConfig, job.conf_dir),
        load_named("tracking_plans", config.tracking_plan, TrackingPlan, job.conf_dir),
        config,
        lambda: load_keys(job.settings.privacy, job.settings.env, os.environ),
    )


def new_files(job: Job, source: SourceConfig) -> list[SourceFile]:
    """Returns the files to look at; none, with a line that says so, of a queue that is empty."""
    path = source_path(job, source)
    may_be_empty = source.may_be_empty and not job.options.get("path")
    files = list_files(job.spark, path, may_be_empty)
    if not files:
        job.say(f"Nothing waits in {path}: what fills it has handed over no file yet")
    return files


def source_path(job: Job, source: SourceConfig) -> str:
    """Returns --path, else the path of the source's file."""
    path = job.options.get("path") or source.path
    if not path:
        raise UsageError(f"Source '{source.name}' has no path of its own", "", "Name one by --path")
    return resolve_path(path, job.settings.lake.root)


@dataclass(frozen=True)
class Run:
    """One batch on its way into the lake."""

    job: Job
    book: IngestRules
    batch: Batch
    received_at: datetime

    def stamped(self, rows: DataFrame) -> DataFrame:
        """Returns rows with the name of their source, and with the batch."""
        return self.in_batch(rows.withColumn("source", F.lit(self.book.source.name)))

    def in_batch(self, rows: DataFrame) -> DataFrame:
        """Returns rows with the batch."""
        return rows.withColumn("ingest_batch", F.lit(self.batch.name))

    def existing(self, table: str) -> DataFrame | None:
        """Returns a table, None before its first write."""
        return self.job.read(table) if self.job.lake.ref(table).exists() else None

    def txn(self, table: str) -> Txn | None:
        """Returns the name of the batch's one write of a table; None where each run writes."""
        if table.startswith("ops/"):
            return None
        name = self.batch.bronze_name if table == "bronze/events" else self.batch.name
        return Txn(f"ingest-{table}-{name}")

    def new_to_bronze(self, records: DataFrame) -> DataFrame | None:
        """Returns the records of files that bronze lacks; None when it has them all."""
        fresh = [file.path for file in self.batch.new_to_bronze]
        if len(fresh) == len(self.batch.files):
            return records
        return records.where(F.col("source_file").isin(fresh)) if fresh else None

    def together(self, *tasks: Callable[[], Any]) -> list[Any]:
        """Carries out writes that do not depend on each other; returns what each returned."""
        return [task() for task in tasks]

    def accept(self, intake: Intake) -> None:
        """Raises an error when the batch must not go on to silver."""
        source, limit = self.book.source, self.book.config.max_rejected_share
        if source.max_rejected_share is not None:
            limit = source.max_rejected_share
        require_few_rejected(intake, limit, source.name)

    def write_items(self, events: DataFrame) -> None:
        """Writes the items of which new events say something new, and of those only that."""
        known = self.job.lake.ref("silver/items").read()
        with kept(changed_items(events, known)) as items:
            writer = self.job.writer("silver/items")
            writer.create()
            if not items.isEmpty():
                writer.merge(items, update=SAID, txn=self.txn("silver/items"))


def ingest_batch(run: Run, records: DataFrame) -> Summary:
    """Writes classified records; every write happens once, however often the run is started."""
    with with_consent_checked(run, records) as (allowed, by_purpose):
        return _take_in(run, allowed, by_purpose)


@contextmanager
def with_consent_checked(
    run: Run, records: DataFrame
) -> Iterator[tuple[DataFrame, Mapping[str, int]]]:
    """Gives the records without those that lack consent, and how many these are by purpose."""
    if not run.book.source.asks_decisions:
        yield records, {}
        return
    settings = run.job.settings
    decided = run.job.lake.ref("silver/consents").read()
    # The secrets are needed where people may be known by two keys, and only there.
    is_rotating = len(settings.privacy.chain(settings.privacy.current)) > 1
    keys = load_keys(settings.privacy, settings.env, os.environ) if is_rotating else None
    with with_refusals(records, decided, settings.consent, keys) as done:
        yield done.records, done.by_purpose


def _take_in(run: Run, records: DataFrame, refused: Mapping[str, int]) -> Summary:
    intake = replace(count_intake(records), refused_by_purpose=refused)
    require_records(intake, run.book.source.name)
    _, quarantined = run.together(
        lambda: append_bronze(run, records), lambda: append_quarantine(run, records, intake)
    )
    try:
        run.accept(intake)
    except QualityGateError:
        close(run, intake, quarantined, intake.readable, "gate")
        raise
    valid = append_silver(run, records, intake)
    return close(run, intake, quarantined, valid, "done")


def append_bronze(run: Run, records: DataFrame) -> None:
    """Adds the records of files that bronze does not have yet, as they were received."""
    rows = run.new_to_bronze(records)
    if rows is None:
        return
    rows = rows.where(~F.col("is_refused"))
    rows = run.stamped(rows).select(
        *("record_id", "payload", "source", "source_file"),
        *(column.alias(name) for name, column in topic_columns(F.col("source_file")).items()),
        *("received_at", "ingest_batch"),
    )
    run.job.writer("bronze/events").append(rows, run.txn("bronze/events"))


def append_quarantine(run: Run, records: DataFrame, intake: Intake) -> int:
    """Adds the rejected records that are not there yet; returns how many they are."""
    if not intake.rejected:
        return 0
    known = run.existing("silver/quarantine")
    if known is not None:
        known = known.where(F.col("source") == run.book.source.name)
    rows = new_rejections(records.where("is_rejected"), known, run.batch.name)
    rows = run.stamped(rows).withColumn("replayed_at", F.lit(None).cast("timestamp")).persist()
    run.job.writer("silver/quarantine").append(rows, run.txn("silver/quarantine"))
    count = rows.count()
    rows.unpersist()
    return count


def append_silver(run: Run, records: DataFrame, intake: Intake) -> int:
    """Adds the valid records that are new events, what they say about items, and on consent."""
    valid = valid_events(records)
    known = run.existing("silver/events")
    with deduplicated(valid, intake.readable, known, run.batch.name) as new:
        if new.n_events:
            rows = run.in_batch(new.events).select(*TABLES["silver/events"].column_names)
            run.together(
                lambda: run.job.writer("silver/events").append(rows, run.txn("silver/events")),
                lambda: run.write_items(new.events),
                lambda: append_consents(run, new.events),
            )
        return new.n_events


def append_consents(run: Run, events: DataFrame) -> None:
    """Adds the decisions that new consent events state."""
    rows = run.stamped(consent_rows(events)).select(*TABLES["silver/consents"].column_names)
    if rows.isEmpty():
        return
    run.job.writer("silver/consents").append(rows, run.txn("silver/consents"))


def close(run: Run, intake: Intake, quarantined: int, valid: int, status: str) -> Summary:
    """Writes the counts to ops/data_quality, files to ops/ingested_files; returns the counts."""
    figures = _figures(intake, quarantined, valid)
    by_rule = {f"rule:{code}": count for code, count in intake.by_code.items()}
    by_rule |= {f"refused:{name}": count for name, count in intake.refused_by_purpose.items()}
    job, batch, at = run.job, run.batch, run.received_at
    ran = (job.run_id, at)
    counts = [
        (job.run_id, batch.source, batch.name, rule, count, at)
        for rule, count in {**figures, **by_rule}.items()
    ]
    entries = [
        (batch.source, f.path, f.size, f.modified_at, batch.rules_hash, status, batch.name, *ran)
        for f in batch.files
    ]
    run.together(
        lambda: append_rows(run, "ops/data_quality", counts),
        lambda: append_rows(run, "ops/ingested_files", entries),
    )
    return figures


def append_rows(run: Run, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Adds a few rows to a table about the runs."""
    if rows:
        frame = run.job.spark.createDataFrame(rows, TABLES[table].struct())
        run.job.writer(table).append(frame.coalesce(1), run.txn(table))


def _figures(intake: Intake, quarantined: int, valid: int) -> Mapping[str, int]:
    refused = intake.refused
    return {
        "received": intake.received,
        "valid": valid,
        "quarantined": quarantined,
        "duplicates": intake.received - refused - valid - quarantined,
        "refused": refused,
    }


STEP = Step(
    name="ingest-events",
    action=action,
    outputs=("bronze/events", "silver/events", "silver/quarantine", "silver/items"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
