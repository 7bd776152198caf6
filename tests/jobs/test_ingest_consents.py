"""Consent events become decisions: one row per subject and purpose, once each."""

from __future__ import annotations

import json

from tests.spool import line


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
    stated = (row["policy_version"], row["region"], row["method"], row["site"], row["event_id"])
    assert stated == ("2", "DE", "banner", "shop", "e1")


def test_a_decision_takes_effect_on_arrival_whatever_the_clock_of_the_device(lake, spool, ingest):
    spool("a", [consent(1, {"analytics": True}, at="2026-06-01T09:59:00.000001Z")])
    ingest()
    text = lake.ref("silver/consents").read().selectExpr("CAST(decided_at AS STRING)").first()[0]
    assert text == "2026-06-01 09:59:00.000001"


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
