"""Consent events become decisions: one row per subject and purpose, once each."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from tests.spool import line

from sparkperso.jobs import ingest_events

pytestmark = pytest.mark.usefixtures("unrecorded")


def consent(number, purposes, at="2026-06-01T10:00:05.000000Z", collected=(), **fields):
    metadata = {"purposes": purposes, "policy_version": "2", "region": "DE", "method": "banner"}
    noted = {"received_at": at, "purpose": "necessary", **dict(collected)}
    return line(number, noted, event_type="consent", metadata=metadata, **fields)


def decisions(lake):
    rows = lake.ref("silver/consents").read().collect()
    return {(row["subject_id"], row["purpose"]): row["granted"] for row in rows}


def test_each_purpose_of_each_subject_is_one_decision(lake, spool, ingest):
    given = {"analytics": True, "marketing": False}
    spool("a", [consent(1, given, anonymous_id="device"), line(2)])
    assert ingest()["valid"] == 2
    assert decisions(lake) == {(s, p): g for s in ("u", "device") for p, g in given.items()}
    row = lake.ref("silver/consents").read().first()
    kinds = lake.ref("silver/consents").read().select("subject_id", "subject_kind").distinct()
    assert dict(map(tuple, kinds.collect())) == {"u": "user_id", "device": "anonymous_id"}
    stated = (row["policy_version"], row["region"], row["method"], row["site"], row["event_id"])
    assert stated == ("2", "DE", "banner", "shop", "e1")


def test_a_decision_takes_effect_on_arrival_whatever_the_clock_of_the_device(lake, spool, ingest):
    spool("a", [consent(1, {"analytics": True}, at="2026-06-01T09:59:00.000001Z")])
    ingest()
    times = ("CAST(decided_at AS STRING)", "CAST(effective_at AS STRING)")
    row = lake.ref("silver/consents").read().selectExpr(*times).first()
    assert tuple(row) == ("2026-06-01 09:59:00.000001",) * 2


def test_decisions_are_kept_once_however_often_they_come(lake, spool, ingest):
    given = consent(1, {"analytics": True})
    spool("a", [given, given])
    ingest()
    ingest()
    spool("b", [given, consent(2, {"analytics": False})])
    ingest()
    rows = lake.ref("silver/consents").read().collect()
    assert sorted((row["event_id"], row["granted"]) for row in rows) == [
        ("e1", True),
        ("e2", False),
    ]


def test_a_decision_that_cannot_be_read_is_quarantined(lake, spool, ingest):
    bad = [{"analytics": "perhaps"}, "analytics", None, ["analytics"], {"analytics": None}]
    spool("a", [consent(number, purposes) for number, purposes in enumerate(bad)])
    summary = ingest("ingest.max_rejected_share=1")
    assert (summary["valid"], summary["quarantined"]) == (0, len(bad))
    reasons = [r["reasons"] for r in lake.ref("silver/quarantine").read().collect()]
    assert all("metadata.purposes" in json.dumps([r.asDict() for r in row]) for row in reasons)
    assert not decisions(lake)


def asked(number, second, **changes):
    at = f"2026-06-01T10:00:{second:02d}.000000Z"
    return line(number, {"received_at": at, "basis": "required", "region": "DE"}, **changes)


def decided(number, second, **purposes):
    return consent(number, purposes, at=f"2026-06-01T10:00:{second:02d}.000000Z")


def contents(lake):
    """Everything that is kept of events, as one text."""
    tables = ("bronze/events", "silver/events", "silver/quarantine", "silver/items")
    return "".join(str(lake.ref(table).read().collect()) for table in tables)


def test_an_event_without_consent_is_counted_and_nothing_of_it_is_kept(lake, spool, ingest):
    spool("a", [asked(1, 5, user_id="somebody", event_type="oddity"), asked(2, 5), line(3)])
    summary = ingest()
    assert [summary[k] for k in ("received", "valid", "quarantined", "refused")] == [3, 1, 0, 2]
    assert "somebody" not in contents(lake)
    assert '"e2"' not in contents(lake)
    counted = lake.ref("ops/data_quality").read().where("rule LIKE 'refused%'").collect()
    assert {r["rule"]: r["n_records"] for r in counted} == {"refused": 2, "refused:analytics": 2}


def test_collection_begins_with_consent_and_stops_with_its_withdrawal(lake, spool, ingest):
    spool("a", [decided(1, 10, analytics=True), asked(2, 9), asked(3, 10), asked(4, 11)])
    assert (ingest()["valid"], ingest()["received"]) == (3, 0)
    spool("b", [asked(5, 19), decided(6, 20, analytics=False), asked(7, 21)])
    other_purpose = asked(8, 12, event_type="email_open")
    del other_purpose["collected"]["purpose"]  # the tracking plan says marketing
    spool("c", [other_purpose, asked(9, 15)])
    assert ingest()["refused"] == 2
    kept = {row["event_id"] for row in lake.ref("silver/events").read().collect()}
    assert kept == {"e1", "e3", "e4", "e5", "e6", "e9"}


def test_a_source_of_files_may_ask_for_decisions_too(lake, make_job, tmp_path, small_conf):
    conf = tmp_path / "conf"
    shutil.copytree(small_conf, conf)
    path = conf / "sources" / "events.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"consent": "required"}))
    rows = [
        {"user_id": "u", "timestamp": f"2026-06-01T10:00:0{n}Z", "event_type": kind, "metadata": m}
        for n, (kind, m) in enumerate(
            [("click", {}), ("consent", {"purposes": {"analytics": True}}), ("click", {})]
        )
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    job = make_job("ingest-events", source="events", path=str(tmp_path / "e.jsonl"))
    job.conf_dir = conf
    summary = ingest_events.action(job)
    assert (summary["valid"], summary["refused"]) == (2, 1)
