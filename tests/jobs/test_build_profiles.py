"""build-profiles: one row per user of the events and of gold/segments, as of a time."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from sparkperso.jobs.build_profiles import STEP
from sparkperso.pipeline.step import carry_out
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import events_frame
from sparkperso.testing.plans import kept_frames

AS_OF = datetime(2026, 3, 1)


def event(user, day, event_type="page_view", **fields):
    return {
        "user_id": user,
        "timestamp": datetime(2026, 2, day),
        "event_type": event_type,
        **fields,
    }


@pytest.fixture
def job(make_job, spark):
    job = make_job("build-profiles", as_of=AS_OF)
    later = {**event("later", 1), "timestamp": datetime(2026, 3, 2)}
    job.writer("silver/events").append(events_frame(spark, [event("a", 1), event("b", 2), later]))
    at = datetime(2026, 2, 28, tzinfo=timezone.utc)
    names = TABLES["gold/segments"].column_names
    member = {
        **{"user_id": "m", "segment_id": "s-1", "segmentation": "s", "exclusive": True},
        **{"label": "one", "kind": "rule", "model_version": "v", "assigned_at": at},
    }
    job.writer("gold/segments").append_rows([tuple(member.get(name) for name in names)])
    consents = TABLES["silver/consents"].column_names
    for day, granted in ((1, True), (9, False)):
        when = datetime(2026, 2, day, tzinfo=timezone.utc)
        decision = {
            **{"subject_kind": "user_id", "subject_id": "b", "purpose": "analytics"},
            **{"granted": granted, "event_id": f"e{day}", "ingest_batch": "one"},
            **dict.fromkeys(("decided_at", "effective_at", "received_at"), when),
        }
        job.writer("silver/consents").append_rows([tuple(decision.get(n) for n in consents)])
    return job


def test_a_row_per_user_with_segments_and_withdrawals_as_of_the_time(job, spark):
    before = kept_frames(spark)
    outcome = carry_out(STEP, job)
    assert outcome.summary == {"users": 3, "withdrew a consent": 1}
    rows = job.lake.ref("gold/profiles").read().orderBy("user_id").collect()
    assert [(r.user_id, r["segments"], r.is_withdrawn) for r in rows] == [
        ("a", {}, False),
        ("b", {}, True),
        ("m", {"s": ["s-1"]}, False),
    ]
    assert kept_frames(spark) <= before


def test_without_segments_there_are_profiles_of_the_events_alone(make_job, spark):
    job = make_job("build-profiles")
    job.writer("silver/events").append(events_frame(spark, [event("a", 1)]))
    assert carry_out(STEP, job).summary == {"users": 1}
