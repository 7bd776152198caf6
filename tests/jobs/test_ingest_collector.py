"""Lines of the collector's spool become events, at the time when the collector took them."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from pyspark.sql import functions as F

from sparkperso.jobs import ingest_events
from sparkperso.jobs.step import carry_out

COLLECTED = {
    "received_at": "2026-06-01T10:00:05.250000Z",
    "site": "shop",
    "basis": "assumed: development",
    "purpose": "analytics",
    "region": None,
    "opted_out": False,
    "masked": 0,
    "key_id": "k1",
}


def line(number, collected=(), **changes):
    fields = {"event_id": f"e{number}", "user_id": "u", "timestamp": "2026-06-01T10:00:00.000Z"}
    fields |= {"event_type": "page_view", "metadata": {}, **changes}
    return {**fields, "collected": {**COLLECTED, **dict(collected)}}


@pytest.fixture
def spool(lake):
    """Returns put(name, lines), which hands a file over as the collector does."""
    import pathlib

    def put(name, lines):
        ready = pathlib.Path(lake.config.root) / "_spool" / "ready"
        ready.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (ready / f"{name}.jsonl").write_text(text, encoding="utf-8")

    return put


@pytest.fixture
def ingest(make_job):
    def run(*settings):
        job = make_job("ingest-events", set=settings, source="collector", path=None)
        return dict(carry_out(ingest_events.STEP, job).summary)

    return run


def arrivals(lake, table):
    at = F.date_format("received_at", "yyyy-MM-dd HH:mm:ss.SSSSSS")
    return {row[0] for row in lake.ref(table).read().select(at).collect()}


def test_events_keep_the_time_when_the_collector_took_them(lake, spool, ingest):
    future = line(2, timestamp="2026-06-01T11:00:00Z")
    spool("20260601T100010-a-1", [line(1), line(1), future])
    summary = ingest("ingest.max_rejected_share=1")
    assert [summary[k] for k in ("received", "valid", "quarantined", "duplicates")] == [3, 1, 1, 1]
    for table in ("bronze/events", "silver/events", "silver/quarantine"):
        assert arrivals(lake, table) == {"2026-06-01 10:00:05.250000"}
    assert ingest()["skipped files"] == 1


def test_a_line_without_time_of_arrival_was_received_by_the_run(lake, spool, ingest):
    spool("20260601T100010-a-1", [line(1, {"received_at": None})])
    before = datetime.now()
    assert ingest()["valid"] == 1
    (found,) = arrivals(lake, "silver/events")
    assert before <= datetime.fromisoformat(found) <= datetime.now()
