"""load-source --source decisions: what the API logged is in silver/decisions, once each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.jobs import ingest_events, load_source
from sparkperso.pipeline.step import carry_out
from sparkperso.services.serve.engine.decision_log import Decided

pytestmark = pytest.mark.usefixtures("unrecorded")

AT = datetime(2026, 6, 1, 23, 59, 59, 123456, tzinfo=timezone.utc)
HEAD = b'"strategy":"hybrid","model_version":"7"'
ITEMS = b'{"rank":1,"item_id":"a \\"1\\"","score":0.5},\n{"rank":2,"item_id":"b","score":0.4}'
ONE = Decided(
    *("d1", AT, "new", HEAD, ITEMS, "anna"),
    store_version="v1",
    propensity=0.25,
    experiments={"lists": "popular"},
    item_propensities=[1.0, 0.25],
)
SLOTS = [
    Decided("d2", AT, "slot", HEAD, ITEMS, "ben", "a-1", "picks", "picked", "picks-for-you"),
    Decided("d2", AT, "slot", b'"strategy":"rules"', b"", "ben", "a-1", "hero", "offers", "high"),
]
NOBODY = Decided(
    "d3", AT + timedelta(seconds=2), "popular", b'"strategy":"no_consent"', fallback="store_slow"
)
BROKEN = [
    b'{"decision_id":"d4","timestamp":"2026-06-01T00:00:00Z"}',
    b'{"decision_id":"d5","kind":"new","timestamp":"yesterday"}',
    b'{"decision_id":"d6","kind":"new","timestamp":"2026-06-01T00:00:00Z","propensity":1.5}',
    b'{"decision_id":"d7","kind":"new","timestamp":"2026-06-01T00:00:00Z","item_ids":"x"}',
    b'{"decision_id":"d9","kind":"new","timestamp":"2026-06-01T00:00:00Z","experiments":["x"]}',
    b'{"decision_id":"d10","kind":"new","timestamp":"2026-06-01T00:00:00Z",'
    b'"item_propensities":[0.5,0]}',
    b'{"decision_id":"d11","kind":"new","timestamp":"2026-06-01T00:00:00Z",'
    b'"item_propensities":["x"]}',
    b'{"timestamp":"2026-06-01T00:00:00Z","kind":"new"}',
    b'{"decision_id": "d8", ',
]


@pytest.fixture
def load(make_job, lake):
    def carry(name, *lines):
        folder = lake_folder(lake) / "_spool" / "decisions" / "ready"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        job = make_job("load-source", source="decisions", set=["ingest.max_rejected_share=1"])
        return dict(carry_out(load_source.STEP, job).summary)

    return carry


def lake_folder(lake):
    from pathlib import Path

    return Path(lake.ref("silver/decisions").place.removeprefix("file://")).parents[1]


def line(decided):
    return decided.line()[1]


def known(lake):
    rows = lake.ref("silver/decisions").read().collect()
    return {(row["decision_id"], row["slot"]): row for row in rows}


def test_what_was_logged_is_in_the_table_once_whenever_and_however_often_it_comes(load, lake):
    every = [line(one) for one in (ONE, *SLOTS, NOBODY)]
    first = load("a", *every[:2], every[0], *BROKEN)
    told = ("received", "valid", "quarantined", "duplicates", "refused")
    assert [first[name] for name in told] == [12, 2, 9, 1, 0]
    again = load("b", *every)
    assert [again[name] for name in told] == [4, 2, 0, 2, 0]
    assert [load("c", *every)[name] for name in told] == [4, 0, 0, 4, 0]
    rows = known(lake)
    assert set(rows) == {("d1", None), ("d2", "picks"), ("d2", "hero"), ("d3", None)}
    assert lake.ref("silver/decisions").read().count() == 4
    one, hero = rows["d1", None], rows["d2", "hero"]
    assert one["item_ids"] == ['a "1"', "b"]
    assert (one["kind"], one["strategy"], one["model_version"]) == ("new", "hybrid", "7")
    assert (one["user_id"], one["anonymous_id"], one["store_version"]) == ("anna", None, "v1")
    assert (one["timestamp"], one["propensity"]) == (AT.replace(tzinfo=None), 0.25)
    assert one["experiments"] == {"lists": "popular"}
    assert one["item_propensities"] == [1.0, 0.25]
    assert hero["item_propensities"] is None
    assert one["event_date"].isoformat() == "2026-06-01"
    assert (hero["content_id"], hero["rule"], hero["item_ids"]) == ("offers", "high", [])
    nobody = rows["d3", None]
    assert (nobody["propensity"], nobody["experiments"]) == (1.0, {})
    assert (nobody["user_id"], nobody["anonymous_id"]) == (None, None)
    assert (nobody["strategy"], nobody["fallback"]) == ("no_consent", "store_slow")
    assert nobody["event_date"].isoformat() == "2026-06-02"


def test_an_exposure_finds_its_decision(load, lake, make_job, tmp_path):
    load("a", *map(line, SLOTS))
    event = (
        b'{"user_id":"ben","timestamp":"2026-06-02T00:00:10Z","event_type":"exposure",'
        b'"metadata":{"decision_id":"d2","slot":"picks","variant":"x"}}\n'
    )
    (tmp_path / "seen.jsonl").write_bytes(event)
    job = make_job("ingest-events", source="events", path=str(tmp_path / "seen.jsonl"))
    carry_out(ingest_events.STEP, job)
    events = lake.ref("silver/events").read().where("event_type = 'exposure'")
    found = events.selectExpr("metadata['decision_id'] AS decision_id", "metadata['slot'] AS slot")
    (row,) = found.join(lake.ref("silver/decisions").read(), on=["decision_id", "slot"]).collect()
    assert (row["content_id"], row["item_ids"]) == ("picked", ['a "1"', "b"])
