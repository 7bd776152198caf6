"""ingest-events: records of files or streams become events."""

from sparkperso.jobs.ingest_events.batch import STEP

__all__ = ["STEP"]
