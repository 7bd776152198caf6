"""gold/session_index: from events to what a lake answers, and what bad input becomes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F
from tests.conftest import TEST_PROPERTIES, overridden

from sparkperso import open_lake
from sparkperso.config import load_settings
from sparkperso.jobs.build_recommendations.list_policy import without_items
from sparkperso.jobs.build_recommendations.session_index import SESSION_INDEX, write_sessions
from sparkperso.pipeline.job import Job
from sparkperso.testing.frames import events_frame

BEGIN = datetime(2026, 3, 1, tzinfo=timezone.utc)


@pytest.fixture
def build(spark, tmp_path):
    """Writes the table from events; gives (sessions, what was said, its rows, the lake)."""

    def written(events, *settings):
        said = []
        given = load_settings(
            assignments=overridden(TEST_PROPERTIES, settings), lake=str(tmp_path / "lake")
        )
        job = Job("build-recommendations", given, spark, say=said.append)
        if isinstance(events, list):
            events = events_frame(spark, events)
        job.writer("silver/items").create()
        n = write_sessions(job, events)["sessions"]
        rows = [row["items"] for row in job.lake.ref(SESSION_INDEX).read().collect()]
        return n, said, sorted(rows), open_lake(tmp_path / "lake")

    return written


def baskets(*rows):
    """Events of one basket after the other, a day apart; items are letters."""
    return [
        {
            "user_id": f"u{number % 3}",
            "event_type": "purchase",
            "item_id": item,
            "timestamp": BEGIN + timedelta(days=number, minutes=place),
        }
        for number, items in enumerate(rows)
        for place, item in enumerate(items)
    ]


def test_what_followed_lately_is_what_the_lake_answers(build):
    n, said, rows, lake = build(baskets("abc", "abd", "xy", "abd"))
    assert (n, said) == (4, [])
    assert rows == [list("abc"), list("abd"), list("abd"), list("xy")]
    # d and c are as alike by their rarity, but d followed b twice; a is in nearly every session.
    assert [place.item_id for place in lake.next_items(["a", "b"])] == ["d", "c", "a"]
    assert [place.item_id for place in lake.next_items(["x"])] == ["y"]
    assert lake.next_items(["unheard of"]) == lake.next_items([]) == []


def test_blocked_items_are_in_no_session(spark, build):
    events = events_frame(spark, baskets("abc", "abd", "bc"))
    _, _, rows, lake = build(without_items(events, ["b"]))
    assert rows == [list("ac"), list("ad")]
    assert "b" not in [place.item_id for place in lake.next_items(["a"])]


def test_the_oldest_sessions_are_left_out_and_the_job_says_so(build):
    n, said, rows, _ = build(baskets("ab", "cd", "ef"), "recommend.sessions.max_sessions=2")
    assert (n, rows) == (2, [list("cd"), list("ef")])
    assert said == ["Sessions left out: 1, the oldest (recommend.sessions.max_sessions)"]


@pytest.mark.parametrize(
    "rows",
    [[], ["a"], ["a", "b", "c"], ["aaa"]],
    ids=["nothing", "one event", "sessions of one", "one item"],
)
def test_without_a_session_of_two_items_nothing_follows(build, rows):
    n, _, found, lake = build(baskets(*rows))
    assert (n, found) == (0, [])
    assert lake.next_items(["a"]) == []


def test_events_of_nobody_and_no_session_are_none(build):
    rows = [{**one, "user_id": None} for one in baskets("abc")]
    assert build(rows)[0] == 0


def test_one_session_is_enough(build):
    _, _, _, lake = build(baskets("ab"))
    assert [place.item_id for place in lake.next_items(["a"])] == ["b"]


def test_an_item_of_every_basket_hides_no_other(build):
    _, _, _, lake = build(baskets(*(f"z{pair}" for pair in ["ab", "cd", "ef"] * 5)))
    assert [place.item_id for place in lake.next_items(["z", "c"], n=1)] == ["d"]


def test_a_session_of_100_000_events_is_cut_and_the_job_says_so(spark, build):
    bot = spark.range(100_000).select(
        F.lit("bot").alias("user_id"),
        F.lit("s").alias("session_id"),
        F.lit(None).cast("string").alias("anonymous_id"),
        F.lit("item_view").alias("event_type"),
        F.concat(F.lit("i"), F.col("id")).alias("item_id"),
        F.timestamp_micros(F.col("id") * 1_000_000).alias("timestamp"),
    )
    n, said, rows, lake = build(bot)
    assert n == 1
    assert "Sessions of more than 1,000 events: 1;" in said[0]
    assert len(rows[0]) == 1000
    assert rows[0][-1] == "i99999"
    assert [place.item_id for place in lake.next_items(["i99998"], n=1)] == ["i99999"]
