"""Events → sessions, and gold/session_index: laws first, then examples."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F

from sparkperso.config.recommend.section import InteractionsConfig
from sparkperso.jobs.build_recommendations.session_index import marked_events
from sparkperso.recommend.sessions.session_rows import latest_sessions, session_rows
from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.frames import events_frame

BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)
GAP = 30
VIEWS = InteractionsConfig(weights={"item_view": 1.0, "purchase": 1.0, "refund": -1.0})
KEYS = ["who", "session_id", "session_started"]


def event(minute, item, kind="item_view", **more):
    fields = {"event_type": kind, "item_id": item, "timestamp": BEGIN + timedelta(minutes=minute)}
    return {"user_id": "ada", **fields, **more}


def sessions_of(spark, rows, max_events=100):
    marked = marked_events(events_frame(spark, rows), VIEWS, GAP)
    return session_rows(marked, KEYS, max_events)


def items_of(spark, rows, **more):
    return sorted(row["items"] for row in sessions_of(spark, rows, **more).collect())


def test_sessions_are_those_that_the_click_stream_planned(spark):
    stream = make_click_stream(n_users=12, days=20)
    rows = [{**one, **one.pop("context", {})} for one in map(dict, stream.events)]
    every = InteractionsConfig(weights=dict.fromkeys({one["event_type"] for one in rows}, 1.0))
    named = [{**one, "item_id": one.get("item_id", "none")} for one in rows]
    marked = marked_events(events_frame(spark, named), every, GAP)
    found = (
        session_rows(marked, KEYS, 1000)
        .groupBy("who")
        .agg(
            F.sort_array(F.collect_list(F.struct("first_at", "last_at", "n_events"))).alias(
                "sessions"
            )
        )
    )
    truth = {
        name: sorted((micros(s.start), micros(s.end), s.n_events) for s in user.sessions)
        for name, user in stream.truth.items()
    }
    assert {row["who"]: [tuple(s) for s in row["sessions"]] for row in found.collect()} == truth


def micros(when):
    return round(when.timestamp() * 1_000_000)


def test_the_partitions_do_not_show(spark):
    chance = make_click_stream(n_users=6, days=10)
    rows = [{**one, **one.pop("context", {})} for one in map(dict, chance.events)]
    frame = events_frame(spark, rows)
    found = []
    for n in (1, 5):
        marked = marked_events(frame.repartition(n), VIEWS, GAP)
        found.append(sorted(map(str, session_rows(marked, KEYS, 4).collect())))
    assert found[0] == found[1] != []


def test_a_session_ends_after_a_pause_without_any_event(spark):
    rows = [event(0, "a"), event(30, "b"), event(61, "c")]
    assert items_of(spark, rows) == [["a", "b"], ["c"]]
    # A page looked at is no item, but no pause either.
    assert items_of(spark, [*rows, event(45, None, "page_view")]) == [["a", "b", "c"]]


def test_what_was_sent_is_one_session_whatever_the_pauses_and_the_login(spark):
    sent = {"session_id": "s1", "anonymous_id": "tab"}
    rows = [event(0, "a", user_id=None, **sent), event(500, "b", **sent)]
    other = event(501, "c", user_id="eve", session_id="s1", anonymous_id="other tab")
    assert items_of(spark, [*rows, other]) == [["a", "b"], ["c"]]


def test_nobody_is_followed_by_the_session_alone(spark):
    nobody = {"user_id": None}
    rows = [event(n, item, session_id="s", **nobody) for n, item in enumerate("ab")]
    assert items_of(spark, [*rows, event(0, "z", **nobody)]) == [["a", "b"]]


def test_types_without_a_weight_above_0_do_not_count(spark):
    rows = [event(0, "a"), event(1, "b", "refund"), event(2, "c", "search"), event(3, "a")]
    assert items_of(spark, rows) == [["a", "a"]]


def test_a_long_session_keeps_its_latest_events_and_tells_of_the_others(spark):
    rows = [event(n, f"i{n:03}") for n in range(50)]
    row = sessions_of(spark, rows, max_events=3).collect()[0]
    assert (row["items"], row["n_events"]) == (["i047", "i048", "i049"], 50)
    assert row["first_at"] == micros(BEGIN)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_latest_sessions_are_kept(spark, most):
    rows = [event(n, "a", session_id=f"s{n}") for n in (3, 1, 2)]
    found = latest_sessions(sessions_of(spark, rows), "session_id", 3, most)
    names = sorted(row["session_id"] for row in found.collect())
    assert names == [f"s{n}" for n in (1, 2, 3)][-most:]
