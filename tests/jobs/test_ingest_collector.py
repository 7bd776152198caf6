"""Lines of the collector's spool become events, at the time when the collector took them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from tests.spool import line

from sparkperso.config import load_named
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import UsageError
from sparkperso.jobs import ingest_events
from sparkperso.services.collect.intake.plan_check import PlanCheck

pytestmark = pytest.mark.usefixtures("unrecorded")


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


def test_rejected_records_of_a_collector_stop_nothing_and_wait_in_quarantine(lake, spool, ingest):
    clicks = [line(n) for n in range(7)]
    spool("a", [*clicks, *(line(n, event_type="wheel_spun") for n in range(7, 10))])
    summary = ingest()
    assert [summary[k] for k in ("received", "valid", "quarantined")] == [10, 7, 3]


def test_sites_of_one_collector_number_their_events_as_they_like(lake, spool, ingest):
    spool("a", [line(1), line(1), line(1, {"site": "other"})])
    summary = ingest()
    assert (summary["valid"], summary["duplicates"]) == (2, 1)
    rows = lake.ref("silver/events").read().select("source").collect()
    assert {row.source for row in rows} == {"site:shop", "site:other"}


def test_a_line_without_time_of_arrival_was_received_by_the_run(lake, spool, ingest):
    spool("20260601T100010-a-1", [line(1, {"received_at": None})])
    before = datetime.now()
    assert ingest()["valid"] == 1
    (found,) = arrivals(lake, "silver/events")
    assert before <= datetime.fromisoformat(found) <= datetime.now()


def test_a_spool_that_is_absent_or_empty_is_no_error_but_a_wrong_path_is(lake, make_job, ingest):
    assert ingest()["received"] == 0
    (Path(lake.config.root) / "_spool" / "ready").mkdir(parents=True)
    said = []
    job = make_job("ingest-events", source="collector", path=None)
    job.say = said.append
    assert ingest_events.action(job)["files"] == 0
    assert "Nothing waits in" in said[0]
    with pytest.raises(UsageError, match="There is no"):
        ingest_events.action(make_job("ingest-events", source="collector", path="/nowhere"))


def test_odd_lines_are_quarantined_and_tables_stay_text(lake, spool, ingest):
    spool("a", [line(1), line(2, user_id="a\0b"), line(3, metadata={"text": "x" * 5_000_000})])
    plain = json.dumps(line(4))
    deep = plain.replace('"metadata": {}', '"metadata": ' + '{"a":' * 5000 + "1" + "}" * 5000)
    odd = [plain.replace('"u"', '"u\udcff"'), deep, plain[:40], plain.replace("{}", "NaN"), "\0"]
    content = "\n".join(odd).encode("utf-8", "surrogateescape")
    (Path(lake.config.root) / "_spool" / "ready" / "b.jsonl").write_bytes(content)
    summary = ingest("ingest.max_rejected_share=1")
    assert (summary["received"], summary["valid"], summary["quarantined"]) == (8, 2, 6)
    for table in ("bronze/events", "silver/events", "silver/quarantine"):
        assert DeltaTable(f"{lake.config.root}/{table}").to_pyarrow_table().to_pylist()
    codes = lake.ref("silver/quarantine").read().selectExpr("reasons[0].code").collect()
    assert sorted(code for (code,) in codes) == ["malformed"] * 5 + ["too_large"]


FORESEEN = [
    ({"event_type": "größe_gewählt"}, "unknown_type"),
    ({"event_type": "item_view"}, "missing"),
    ({"event_type": "alias", "metadata": {"previous_id": None}}, "missing"),
    ({"event_type": "purchase", "value": -1}, "out_of_range"),
    ({"event_type": "scroll", "metadata": {"depth": "101"}}, "out_of_range"),
    ({"event_type": "scroll", "metadata": {"depth": "far"}}, "wrong_type"),
    ({"timestamp": "2026-06-01T10:11:00.000000Z"}, "future"),
    ({"timestamp": "2023-06-01T10:00:00.000000Z"}, "too_old"),
    ({"metadata": {str(n): n for n in range(101)}}, "too_large"),
    ({"user_id": " "}, "missing"),
    ({"user_id": "[object Object]"}, "wrong_type"),
    ({"item_id": "{3F2504E0}"}, "wrong_type"),
    ({}, None),
    ({"event_type": "CLICK"}, None),
    ({"event_type": "purchase", "value": 0}, None),
    ({"event_type": "scroll", "metadata": {"depth": "5d"}}, None),
    ({"timestamp": "2026-06-01T10:09:00.000000Z"}, None),
    ({"user_id": " ", "anonymous_id": "a"}, None),
]


def test_what_the_collector_says_of_an_event_is_what_ingest_does(lake, spool, ingest):
    lines = [line(n, timestamp="2026-06-01T10:00:00.000000Z") for n in range(len(FORESEEN))]
    events = [{**one, **changes} for one, (changes, _) in zip(lines, FORESEEN, strict=True)]
    check = PlanCheck(load_named("tracking_plans", "default", TrackingPlan))
    said = [check.refusal({"context": {}, **e}, e["collected"]["received_at"]) for e in events]
    codes = [refusal and refusal.code for refusal in said]
    assert codes == [code for _, code in FORESEEN]
    spool("a", events)
    ingest("ingest.max_rejected_share=1")
    found = lake.ref("silver/quarantine").read()
    kept = found.selectExpr("get_json_object(payload, '$.event_id')", "reasons[0].code").collect()
    wanted = [(f"e{n}", code) for n, code in enumerate(codes) if code]
    assert sorted(map(tuple, kept)) == sorted(wanted)
