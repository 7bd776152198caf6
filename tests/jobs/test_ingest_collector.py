"""Lines of the collector's spool become events, at the time when the collector took them."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import functions as F
from tests.spool import line


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
