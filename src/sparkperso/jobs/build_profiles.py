"""build-profiles: events, consents, segments → gold/profiles, who is known as of a time."""

from __future__ import annotations

from typing import Any

from pyspark.sql import functions as F

from sparkperso.core.columns import TIMESTAMP, USER_ID
from sparkperso.ingest.consents import consent_states
from sparkperso.jobs.build_segments.tables import EVENTS, SEGMENTS
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.persons import USERS, persons_of
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import instant
from sparkperso.users.profiles import profile_people

CONSENTS, PROFILES = "silver/consents", "gold/profiles"


def build_profiles(job: Job) -> Summary:
    """Replaces gold/profiles: one row per user of segments, silver/users or events up to as-of.

    Returns how many users there are, and how many withdrew a consent, if any did.
    """
    as_of = instant(job.as_of)
    events, members = job.read(EVENTS), job.read(SEGMENTS)
    persons = persons_of(job, events)
    users = persons.events.where(F.col(TIMESTAMP) <= as_of).select(USER_ID)
    users = users.unionByName(members.select(USER_ID))
    if persons.declared is not None:
        users = users.unionByName(persons.declared.select(USER_ID))
    states = consent_states(job.read(CONSENTS), as_of)
    job.writer(PROFILES).overwrite(profile_people(users, persons, states, members, job.as_of))
    rows = job.lake.ref(PROFILES).read()
    counts = rows.agg(F.count(F.lit(1)), F.count_if("is_withdrawn")).collect()[0]
    return {"users": counts[0], **({"withdrew a consent": counts[1]} if counts[1] else {})}


STEP = Step(
    name="build-profiles",
    action=build_profiles,
    inputs=(EVENTS, CONSENTS, SEGMENTS, USERS),
    outputs=(PROFILES,),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
