"""What a request says for all of its events: when it was sent, by a clock that may be wrong."""

from __future__ import annotations

import pytest

from sparkperso.services.collect.routes.events import in_our_time, split
from sparkperso.services.http.problems import Problem

RECEIVED = "2026-06-01T10:00:00.000000Z"
EVENT = {"event_type": "click", "user_id": "u", "timestamp": "2026-06-01T12:59:30.000Z"}


def times(sent_at, *events):
    return [event["timestamp"] for event in in_our_time(events, sent_at, RECEIVED)]


def test_times_lose_the_error_of_the_clock_that_sent_them():
    (three_hours_ahead,) = times("2026-06-01T13:00:00.000Z", EVENT)
    assert three_hours_ahead.startswith("2026-06-01T09:59:30")
    behind = EVENT | {"timestamp": 1_590_000_000_000}
    (years_behind,) = times(1_590_000_030_000, behind)
    assert years_behind.startswith("2026-06-01T09:59:30")


@pytest.mark.parametrize(
    "sent_at", [None, "2026-06-01T10:00:03Z", "2026-06-01T09:59:57Z", "soon", {}]
)
def test_times_stay_as_they_were_sent_when_the_clock_is_right_or_unknown(sent_at):
    assert times(sent_at, EVENT) == [EVENT["timestamp"]]


def test_what_is_no_event_is_left_to_the_checks():
    strange = ["text", None, {"event_type": "click"}]
    assert list(in_our_time(strange, "2026-06-01T13:00:00Z", RECEIVED)) == strange


def test_the_time_of_sending_belongs_to_the_request_and_to_no_event():
    wrapped = {"sent_at": RECEIVED, "writeKey": "k"}
    assert split({**EVENT, **wrapped}, 10) == ([EVENT], False)
    assert split({"events": [EVENT], **wrapped}, 10) == ([EVENT], True)
    with pytest.raises(Problem):
        split({"events": [EVENT], "sender": "me"}, 10)
