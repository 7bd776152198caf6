"""ingest-events: records of files or streams become events."""

from sparkperso.jobs.ingest_events.batch import STEP, main

__all__ = ["STEP", "main"]
