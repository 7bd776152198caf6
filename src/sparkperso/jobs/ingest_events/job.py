"""ingest-events: files or a stream → bronze, silver (events, items, consents), quarantine."""

from __future__ import annotations

from typing import Any

from sparkperso.core.errors import UsageError
from sparkperso.jobs.ingest_events.batch import ingest_files
from sparkperso.jobs.ingest_events.stream import follow_source
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step


def action(job: Job) -> Summary:
    """Takes in what waits, or as a stream what comes; returns the run's counts."""
    if job.options.get("stream"):
        return follow_source(job)
    for name in ("available_now", "trigger"):
        if job.options.get(name):
            raise UsageError(f"--{name.replace('_', '-')} is for --stream", "", "Add --stream")
    return ingest_files(job)


STEP = Step(
    name="ingest-events",
    action=action,
    outputs=("bronze/events", "silver/events", "silver/quarantine", "silver/items"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
