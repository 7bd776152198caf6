"""refresh --suggest on tables: who was shown what, what was clicked, KPIs by segment."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from sparkperso.jobs.refresh.suggest import shown_by_slot, suggest
from sparkperso.testing.frames import events_frame, table_frame

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def decision(name, slot, content=None, rule=None, at=AT):
    return {
        **{"decision_id": name, "kind": "slot", "slot": slot, "content_id": content, "rule": rule},
        **{"timestamp": at, "received_at": at, "event_date": at.date(), "propensity": 1.0},
        **{"item_ids": [], "ingest_batch": "b"},
    }


def event(kind, decision_id, slot=None):
    metadata = {"decision_id": decision_id} | ({"slot": slot} if slot else {})
    return {"event_type": kind, "timestamp": AT.replace(tzinfo=None), "metadata": metadata}


@pytest.fixture
def job(make_job, tmp_path):
    found = make_job("refresh", set=["refresh.suggestions.min_shown=20"])
    folder = tmp_path / "conf" / "rules"
    folder.mkdir(parents=True)
    for name in ("good", "bad", "never"):
        (folder / f"{name}.yaml").write_text(f"show: {{slot: hero, content: {name}}}\n")
    found.conf_dir, found.lines = tmp_path / "conf", []
    found.say = found.lines.append
    return found


def test_shown_and_clicked_are_counted_by_slot_content_and_rule(job):
    old = AT - timedelta(days=40)
    rows = [
        decision("one", "hero", "c", "r"),
        decision("two", "hero", "c", "r"),
        decision("two", "footer", "f"),
        decision("list", None),
        decision("old", "hero", "c", "r", old),
    ]
    events = [
        # One answer, seen twice and clicked twice, counts once; its slot need not be named.
        *(event("exposure", "one"), event("exposure", "one"), event("click", "one")),
        event("click", "one"),
        # Of an answer of several slots, it has to be.
        *(event("exposure", "two", "footer"), event("click", "two"), event("exposure", "list")),
    ]
    job.writer("silver/decisions").append(table_frame(job.spark, "silver/decisions", rows))
    job.writer("silver/events").append(events_frame(job.spark, events))
    found = {tuple(row)[:3]: tuple(row)[3:] for row in shown_by_slot(job, 28).collect()}
    assert found == {("hero", "c", "r"): (2, 1, 1), ("footer", "f", None): (1, 1, 0)}


def test_what_does_worse_is_said_with_what_to_do(job):
    rows, events = [], []
    for rule, n_clicks in (("good", 20), ("bad", 2)):
        for n in range(40):
            rows.append(decision(f"{rule}{n}", "hero", rule, rule))
            events.append(event("exposure", f"{rule}{n}"))
            if n < n_clicks:
                events.append(event("click", f"{rule}{n}"))
    job.writer("silver/decisions").append(table_frame(job.spark, "silver/decisions", rows))
    job.writer("silver/events").append(events_frame(job.spark, events))
    kpis = [
        {"day": date(2026, 2, 20), "kpi": "click_through", "numerator": k, "denominator": n}
        | {"value": k / n, **where}
        for where, n, k in (
            ({}, 1000.0, 100.0),
            ({"segmentation": "s", "segment": "s-1"}, 500.0, 10.0),
            ({"segmentation": "s", "segment": "s-2"}, 500.0, 90.0),
            ({"channel": "web"}, 900.0, 1.0),
        )
    ]
    job.writer("gold/kpis_daily").append(table_frame(job.spark, "gold/kpis_daily", kpis))
    subjects = [one.subject for one in suggest(job)]
    assert subjects == ["content bad", "rule bad", "rule never", "segment s-1"]
    assert job.lines[0].startswith("content bad: 5.00% of 40 in slot hero, by content, and 50.00%")


def test_nothing_to_suggest_is_said(job):
    job.writer("silver/events").append(events_frame(job.spark, [event("click", "x")]))
    assert suggest(job) == []
    assert job.lines == ["refresh: nothing to suggest"]
