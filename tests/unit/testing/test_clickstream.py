"""The made click stream: the same seed gives the same one, and its faults are counted."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta

import pytest

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.testing.clickstream import inject_faults, make_click_stream, write_json_lines
from sparkperso.testing.faults import FAULTS


@pytest.fixture(scope="module")
def stream():
    return make_click_stream()


def test_the_same_seed_gives_the_same_stream_and_another_another(stream):
    assert make_click_stream().events == stream.events
    assert make_click_stream(seed=8).events != stream.events


def test_every_event_has_the_four_fields_and_every_kind_occurs(stream):
    kinds = Counter(event["event_type"] for event in stream.events)
    assert all({"user_id", "timestamp", "event_type", "metadata"} <= set(e) for e in stream.events)
    assert kinds.keys() >= {"page_view", "item_view", "click", "scroll", "dwell", "add_to_cart"}
    assert kinds.keys() >= {"purchase", "refund", "identify"}


def test_the_truth_names_every_numeric_feature(stream):
    for features in stream.features().values():
        assert set(NUMERIC_FEATURES) <= set(features)


def test_the_truth_counts_every_event_once(stream):
    found = Counter(event["user_id"] for event in stream.events)
    assert found == {user: truth.types.total() for user, truth in stream.truth.items()}
    sessions = [s for truth in stream.truth.values() for s in truth.sessions]
    assert sum(session.n_events for session in sessions) == len(stream.events)


def test_sessions_that_are_not_sent_lie_more_than_30_minutes_apart(stream):
    gap = timedelta(minutes=30)
    pauses = [
        later.start - earlier.end
        for visitor in stream.visitors
        if not visitor.sends_session_id
        for earlier, later in zip(
            stream.truth[visitor.user_id].sessions,
            stream.truth[visitor.user_id].sessions[1:],
            strict=False,
        )
    ]
    assert min(pauses) == gap + timedelta(milliseconds=1)


def test_edges_occur(stream):
    times = [event["timestamp"] for event in stream.events]
    assert times == sorted(times)
    assert times[-1] == "2026-06-30T21:00:00.000Z"
    assert {visitor.device for visitor in stream.visitors} == {"mobile", "desktop", "tablet", None}


def test_faults_are_counted_by_reason(stream):
    faulty = inject_faults(stream.events, each=3)
    expected = faulty.expected
    assert len(faulty.lines) == expected.received
    assert expected.received == expected.valid + expected.quarantined + expected.duplicates
    assert expected.quarantined == sum(expected.reasons.values()) == 3 * len(FAULTS)
    assert len(set(faulty.lines)) == expected.received - expected.duplicates
    assert set(expected.reasons) == {
        "missing", "malformed", "wrong_type", "out_of_range",
        "future", "too_old", "unknown_type", "too_large",
    }  # fmt: skip


def test_good_lines_stay_among_the_faults(stream):
    lines = Counter(inject_faults(stream.events).lines)
    assert all(lines[line] >= 1 for line in stream.lines())


@pytest.mark.parametrize("zipped", [False, True])
def test_files_hold_the_records_in_order(stream, tmp_path, zipped):
    records = [*stream.events[:9], "not json"]
    paths = write_json_lines(records, tmp_path, files=3, zipped=zipped)
    assert len(paths) == 3
    read = gzip.open if zipped else open
    lines = [line.rstrip("\n") for path in paths for line in read(path, "rt")]
    assert lines[-1] == "not json"
    assert [json.loads(line) for line in lines[:-1]] == stream.events[:9]
