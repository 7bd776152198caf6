"""Who the people of a lake are: its events, and what silver/users declares of them."""

from __future__ import annotations

from pyspark.sql import DataFrame

from sparkperso.pipeline.job import Job
from sparkperso.users.persons import Persons

USERS = "silver/users"


def declared_users(job: Job) -> DataFrame | None:
    """Returns silver/users as the job first read it; None where no source of users was loaded."""
    return job.read(USERS) if job.lake.ref(USERS).exists() else None


def persons_of(job: Job, events: DataFrame) -> Persons:
    """Returns who the people are: by `events` and by silver/users."""
    return Persons(events, declared_users(job), job.settings.ingest.country_aliases)
