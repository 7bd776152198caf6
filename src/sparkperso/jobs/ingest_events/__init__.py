"""ingest-events: records of files or streams become events."""

from sparkperso.jobs.ingest_events.job import STEP, action, main

__all__ = ["STEP", "action", "main"]
