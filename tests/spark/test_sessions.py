"""Sessions: sent ones stay, others end after 30 minutes without an event."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.frames import events_frame

START = datetime(2026, 1, 1, 10)


@pytest.fixture
def sessions_of(spark):
    """Returns sessions_of(rows) → the session ids in the order of time."""
    from sparkperso.features.sessions import derive_sessions

    def derive(rows):
        found = derive_sessions(events_frame(spark, rows), gap_minutes=30)
        return [row.session_id for row in found.orderBy("timestamp").collect()]

    return derive


def at(minutes, user="u", **fields):
    return {"user_id": user, "timestamp": START + timedelta(minutes=minutes), **fields}


def test_a_gap_of_30_minutes_keeps_a_session_and_a_longer_one_ends_it(sessions_of):
    first, second, third = sessions_of([at(0), at(30), at(60.001)])
    assert first == second == "u@20260101T100000.000000"
    assert third != first


def test_a_session_that_was_sent_stays_and_does_not_prolong_others(sessions_of):
    found = sessions_of([at(0), at(20, session_id="s"), at(40), at(300, session_id="s")])
    assert found[1] == found[3] == "s"
    assert found[0] != found[2]


def test_visitors_without_a_user_have_sessions_of_their_own(sessions_of):
    rows = [
        at(0, None, anonymous_id="a"),
        at(1, None, anonymous_id="b"),
        at(2, None, anonymous_id="a"),
    ]
    first, other, again = sessions_of(rows)
    assert first == again != other


def test_an_event_that_names_nobody_has_no_session(sessions_of):
    assert sessions_of([at(0, None)]) == [None]


def test_sessions_of_the_click_stream_equal_its_truth(spark):
    from sparkperso.features.sessions import derive_sessions

    stream = make_click_stream(n_users=16)
    found = derive_sessions(events_frame(spark, stream.events), gap_minutes=30).collect()
    sizes = Counter((row.user_id, row.session_id) for row in found)
    for user, truth in stream.truth.items():
        mine = sorted(n for (owner, _), n in sizes.items() if owner == user)
        assert mine == sorted(session.n_events for session in truth.sessions)


def test_columns_and_rows_stay_as_they_are(spark):
    from sparkperso.features.sessions import derive_sessions

    events = events_frame(spark, [at(0), at(50), at(50)])
    found = derive_sessions(events, gap_minutes=30)
    assert found.columns == events.columns
    assert found.count() == 3
