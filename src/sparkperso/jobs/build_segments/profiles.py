"""gold/profiles: who is known, as of a time."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.ingest.consents import consent_states
from sparkperso.pipeline.job import Job, Summary
from sparkperso.platform.literals import instant
from sparkperso.users.persons import Persons
from sparkperso.users.profiles import profile_people

EVENTS, CONSENTS, PEOPLE = "silver/events", "silver/consents", "gold/profiles"
SEGMENTS = "gold/segments"


def write_people(job: Job) -> Summary:
    """Replaces gold/profiles, as of the job's time: one row per user with events or a segment.

    Returns how many of them withdrew a consent, if any.
    """
    as_of = instant(job.as_of)
    members = job.lake.ref(SEGMENTS).read()
    persons = known_persons(job, job.read(EVENTS))
    users = persons.events.where(F.col("timestamp") <= as_of).select("user_id")
    users = users.unionByName(members.select("user_id"))
    states = consent_states(job.read(CONSENTS), as_of)
    job.writer(PEOPLE).overwrite(profile_people(users, persons, states, members, job.as_of))
    withdrawn = job.lake.ref(PEOPLE).read().where("is_withdrawn").count()
    return {"withdrew a consent": withdrawn} if withdrawn else {}


def known_persons(job: Job, events: DataFrame) -> Persons:
    """Returns what facts about persons are taken from."""
    return Persons(events, aliases=job.settings.ingest.country_aliases)
