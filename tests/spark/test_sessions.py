"""Sessions: sent ones stay, others end after 30 minutes without an event."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.frames import events_frame

START = datetime(2026, 1, 1, 10)


@pytest.fixture
def sessions_of(spark):
    """Returns sessions_of(rows) → (session_id as sent, start of the session) in order of time."""

    def mark(rows):
        found = marked(events_frame(spark, rows)).orderBy("timestamp").collect()
        return [(row.session_id, row.session_started - in_micros(START)) for row in found]

    return mark


def marked(events):
    from sparkperso.metrics.sessions import mark_sessions

    return mark_sessions(
        events.selectExpr("*", "unix_micros(timestamp) AS at"), "user_id", "at", 30
    )


def in_micros(time):
    return int(time.replace(tzinfo=timezone.utc).timestamp()) * 1_000_000


def at(minutes, user="u", **fields):
    return {"user_id": user, "timestamp": START + timedelta(minutes=minutes), **fields}


def test_a_gap_of_30_minutes_keeps_a_session_and_a_longer_one_ends_it(sessions_of):
    assert sessions_of([at(0), at(30), at(60.001)]) == [(None, 0), (None, 0), (None, 3_600_060_000)]


def test_a_session_that_was_sent_stays_and_does_not_prolong_others(sessions_of):
    found = sessions_of([at(0), at(20, session_id="s"), at(40), at(300, session_id="s")])
    assert found[1] == found[3] == ("s", 20 * 60_000_000)
    assert found[0] != found[2]


def test_users_have_sessions_of_their_own(sessions_of):
    first, other, again = sessions_of([at(0, "a"), at(1, "b"), at(2, "a")])
    assert first == again != other


def test_sessions_of_the_click_stream_equal_its_truth(spark):
    stream = make_click_stream(n_users=16)
    rows = marked(events_frame(spark, stream.events)).collect()
    sizes = Counter((row.user_id, row.session_id, row.session_started) for row in rows)
    for user, truth in stream.truth.items():
        found = sorted(n for (owner, *_), n in sizes.items() if owner == user)
        assert found == sorted(session.n_events for session in truth.sessions)
    starts = Counter(row.user_id for row in rows if row.session_starts)
    assert starts == {user: len(truth.sessions) for user, truth in stream.truth.items()}
