"""load-source: files of items, users, decisions, reads → a table of each."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

from sparkperso.config import load_named
from sparkperso.config.sources.facts import facts_as_events, plan_of_facts, rules_of_facts
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import UsageError
from sparkperso.ingest.batch import plan_batch
from sparkperso.ingest.classify import IngestRules, classify_files
from sparkperso.ingest.intake import figures_of
from sparkperso.ingest.intake_counts import IntakeCounts, intake_counts
from sparkperso.ingest.load import TABLE_OF, load_facts
from sparkperso.ingest.sources.joins import read_joins
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.jobs.ingest_events.batch import measures, new_files, open_intake
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.staging import staged
from sparkperso.pipeline.step import Step
from sparkperso.privacy import load_keys


def action(job: Job) -> Summary:
    """Merges the new files of a source into its table; returns the run's counts.

    Files that were loaded under the same rules are left out, so that a run again changes nothing.
    """
    source = load_named("sources", job.options["source"], SourceConfig, job.conf_dir)
    rules = fact_rules(job, source)
    files = new_files(job, rules.source)
    batch = plan_batch(files, rules, job.lake.ref("ops/ingested_files").read())
    n_files = {"files": len(batch.files), "skipped files": batch.n_skipped}
    if not batch.files:
        return {**figures_of(IntakeCounts(0, 0, 0), 0, 0), "changed": 0, **n_files}
    intake = open_intake(job, rules, batch, datetime.now(timezone.utc))
    with ExitStack() as stack:
        with unreadable_files_named():
            classified = classify_files(job.spark, batch.files, rules, intake.received_at)
            kept = stack.enter_context(staged(job, classified, batch.name, measures(rules.source)))
        counts = intake_counts(kept.measures)
        return {**load_facts(intake, kept.frame, counts, source.kind), **n_files}


def fact_rules(job: Job, source: SourceConfig) -> IngestRules:
    """Returns what decides on the records of a source; raises UsageError for one of events."""
    if source.kind not in TABLE_OF:
        raise UsageError(
            "load-source takes sources of items, users, decisions and reads",
            f"conf/sources/{source.name}.yaml is of {source.kind}",
            f"Take it in by 'sparkperso ingest-events --source {source.name}'",
        )
    config = job.settings.ingest
    plan = load_named("tracking_plans", config.tracking_plan, TrackingPlan, job.conf_dir)
    return IngestRules(
        facts_as_events(source),
        plan_of_facts(source, plan),
        rules_of_facts(source, config),
        lambda: load_keys(job.settings.privacy, job.settings.env, os.environ),
        read_joins(job.spark, source, job.settings.lake.root),
    )


STEP = Step(
    name="load-source",
    action=action,
    outputs=("silver/items", "silver/users", "silver/decisions", "ops/audit", "silver/quarantine"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
