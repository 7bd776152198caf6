"""Batches of files: which are new, and what the intake is told of them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime, timezone

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.config import load_named
from sparkperso.config.sources.input import POSITION
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.sources.transactions import as_events
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import UsageError
from sparkperso.ingest.batch import Batch, plan_batch
from sparkperso.ingest.classify import IngestRules, classify_files
from sparkperso.ingest.intake import Intake, figures_of, take_in
from sparkperso.ingest.intake_counts import IntakeCounts, intake_counts, intake_measures
from sparkperso.ingest.sources.files import SourceFile, list_files
from sparkperso.ingest.sources.joins import read_joins
from sparkperso.ingest.sources.places import resolve_path
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.staging import staged
from sparkperso.platform.lake import Txn
from sparkperso.privacy import load_keys

RECORDS = "records"


def ingest_files(job: Job) -> Summary:
    """Takes in the new files of a source; returns the run's counts."""
    rules = read_ingest_rules(job)
    files = new_files(job, rules.source)
    batch = plan_batch(files, rules, job.lake.ref("ops/ingested_files").read())
    n_files = {"files": len(batch.files), "skipped files": batch.n_skipped}
    if not batch.files:
        return {**figures_of(IntakeCounts(0, 0, 0), 0, 0), **n_files}
    intake = open_intake(job, rules, batch, datetime.now(timezone.utc))
    with ExitStack() as stack:
        with unreadable_files_named():
            classified = classify_files(job.spark, batch.files, rules, intake.received_at)
            kept = stack.enter_context(staged(job, classified, batch.name, measures(rules.source)))
        figures = take_in(intake, kept.frame, intake_counts(kept.measures))
        records = {"records": kept.measures[RECORDS]} if RECORDS in kept.measures else {}
        return {**figures, **records, **n_files}


def measures(source: SourceConfig) -> dict[str, Column]:
    """Returns what is counted while records are classified.

    Where lists are taken apart, `received` counts elements: the records are counted beside them.
    """
    is_first = F.coalesce(F.col(POSITION) == 0, F.lit(True))
    return {**intake_measures(), **({RECORDS: F.count_if(is_first)} if source.explode else {})}


def open_intake(job: Job, rules: IngestRules, batch: Batch, now: datetime) -> Intake:
    """Returns the way of a batch of files into the lake; its name is that of its writes."""

    def txn(table: str) -> Txn | None:
        if table.startswith("ops/"):
            return None
        name = batch.bronze_name if table == "bronze/events" else batch.name
        return Txn(f"ingest-{table}-{name}")

    limit = max_rejected_share(rules)
    return Intake(job.lake, job.run_id, job.settings, rules, batch, now, txn, limit)


def max_rejected_share(rules: IngestRules) -> float:
    """Returns the share of records that may be rejected: the source's own, else that of all."""
    own = rules.source.max_rejected_share
    return rules.config.max_rejected_share if own is None else own


def read_ingest_rules(job: Job) -> IngestRules:
    """Returns the source, the tracking plan and the rules that the job was asked for."""
    config = job.settings.ingest
    source = as_events(load_named("sources", job.options["source"], SourceConfig, job.conf_dir))
    if source.kind != "events":
        raise UsageError(
            f"{job.name} takes sources of events and transactions",
            f"conf/sources/{source.name}.yaml is of {source.kind}",
            f"Take it in by 'sparkperso load-source --source {source.name}'",
        )
    return IngestRules(
        source,
        load_named("tracking_plans", config.tracking_plan, TrackingPlan, job.conf_dir),
        config,
        lambda: load_keys(job.settings.privacy, job.settings.env, os.environ),
        read_joins(job.spark, source, job.settings.lake.root),
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
