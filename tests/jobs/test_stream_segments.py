"""stream-segments: who is in a segment live is who is in it by a batch, to the row."""

from __future__ import annotations

import json
import random
import shutil
import time
from datetime import timedelta

import pytest
from confluent_kafka import Consumer
from tests.live import Place, many_events, simple, wait_until

from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.jobs.stream_segments import memberships
from sparkperso.pipeline.checkpoint import locked
from sparkperso.testing.rules import AS_OF


@pytest.fixture
def place(spark, tmp_path):
    """A lake with its rules, and the ways to fill and follow it."""
    return Place(spark, tmp_path)


@pytest.mark.usefixtures("unrecorded")
def test_days_of_events_live_is_the_batch_to_the_row(place):
    events = many_events()
    morning = AS_OF - timedelta(days=3)
    place.add([e for e in events if e["timestamp"] <= morning])
    place.features()
    place.batch("clusters")
    late = "segments.live.late_hours=80"  # the days come in three commits, each of them shuffled
    place.live(late)
    told = len(place.told())
    newcomer = [simple("newcomer", k, AS_OF - timedelta(hours=k)) for k in range(20)]
    day = [e for e in events if e["timestamp"] > morning] + newcomer
    random.Random(4).shuffle(day)

    def the_days():
        for part in (day[::3], day[1::3], [*day[2::3], simple(None, 0, AS_OF, "page_view")]):
            place.add_and_wait(part)

    summary = place.live_while(the_days, late, "segments.live.sweep_seconds=600")
    assert summary["sweeps"] == 1
    assert summary["as of"].startswith(AS_OF.isoformat(sep=" ")[:16])
    assert len(place.told()) == told + summary["entered and left"] > told + 9
    place.live(late)
    found = {row[0]: row[1] for row in place.members("clusters")}
    busiest = max(found, key=lambda user: len([e for e in events if e["user_id"] == user]))
    assert found["newcomer"] == found[busiest]
    assert ("newcomer", found[busiest], "entered") in place.told("clusters")
    place.features()
    place.live(late)
    live, told = place.members(), place.told()
    assert len({row[1] for row in live}) == 8
    place.batch("audience")
    assert place.members() == live
    assert place.told() == told


@pytest.mark.usefixtures("unrecorded")
def test_a_checkpoint_is_for_one_process_and_a_run_that_breaks_off_is_completed_by_the_next(
    place, monkeypatch
):
    events = many_events(20)
    place.add(events[:100])
    monkeypatch.setattr(memberships, "record_changes", broken)
    lines = []
    with pytest.raises(Exception, match="power cut"):
        place.live_while(lambda: place.add_and_wait(events[100:200]), say=lines.append)
    monkeypatch.undo()
    checkpoint = lines[0].rpartition(" ")[2]
    with locked(checkpoint), pytest.raises(UsageError, match="Another process uses"):
        place.live()
    place.add(events[200:])
    place.live("segments.live.max_files=1")
    inside = {}
    for user, segment, change in place.told():
        assert inside.get((user, segment), "left") != change
        inside[user, segment] = change
    live = place.members()
    assert {pair for pair, last in inside.items() if last == "entered"} == {r[:2] for r in live}
    shutil.rmtree(place.folder / "lake" / "_checkpoints")
    assert place.live()["entered and left"] == 0
    assert place.members() == live


def broken(*_):
    raise RuntimeError("power cut")


def test_few_are_not_shown_and_time_alone_ends_windows_and_begins_silences(place):
    at = AS_OF - timedelta(days=20)
    place.add([simple(f"u{n}", k, at) for n in range(4) for k in range(4)])
    place.live()
    assert place.members() == set()
    assert place.told() == []
    place.add([simple("u4", k, at) for k in range(4)])
    place.live()
    entered = {(f"u{n}", "audience-viewers") for n in range(5)}
    assert {row[:2] for row in place.members()} == entered
    place.add([simple(None, 9, at + timedelta(days=4), "page_view")])
    place.live()
    assert {row[1] for row in place.members()} == {"audience-away", "audience-unconvinced"}
    assert {(u, s) for u, s, change in place.told() if change == "left"} == entered


@pytest.mark.usefixtures("unrecorded")
def test_events_beyond_the_watermark_are_counted_and_found_by_a_new_start(place):
    place.add([simple(f"u{n}", k, AS_OF) for n in range(20) for k in range(4)])
    place.live()
    late, bought = AS_OF - timedelta(days=2), {"event_type": "purchase", "value": 50.0}
    place.add([simple(f"u{n}", 11, late, **bought) for n in range(6)])
    assert place.live()["late, left to build-segments"] == 6
    assert "audience-spenders" not in {row[1] for row in place.members()}
    shutil.rmtree(place.folder / "lake" / "_checkpoints")
    place.features()
    place.live()
    assert "audience-spenders" in {row[1] for row in place.members()}


@pytest.mark.usefixtures("unrecorded")
def test_by_the_walls_clock_people_leave_when_nothing_comes_and_the_topic_is_told(
    place, broker, topic
):
    place.write_rules("kind: rules\nsegments: {here: {when: {days_since_last: {}, at_most: 0}}}\n")
    place.add([simple("u", 0, AS_OF)])

    def until_they_left():
        # They are here until the wall's clock passes their last event: how long a stream takes to
        # see them depends on the machine, so each try gives it more time.
        for seconds in (10, 40, 160):
            soon = AS_OF.now(AS_OF.tzinfo) + timedelta(seconds=seconds)
            place.add([simple(f"u{n}-{seconds}", 0, soon) for n in range(6)])
            if wait_until(place.told, seconds, required=False):
                break

        def all_left():
            entered, left = changes_of(place)
            return AS_OF.now(AS_OF.tzinfo) > soon and entered and entered == left

        wait_until(all_left)

    place.live_while(
        until_they_left,
        "segments.live.clock=wall",
        "segments.live.sweep_seconds=1",
        f"segments.live.changes.bootstrap={broker.bootstrap}",
        f"segments.live.changes.topic={topic}",
    )
    assert place.members() == set()
    sent = {(r["user_id"], r["segment_id"], r["change"]) for r in records(broker, topic)}
    assert sent == set(place.told())
    entered, left = changes_of(place)
    assert entered == left
    assert len(entered) >= 6


def changes_of(place):
    """The users of whom the history says that they entered, and those of whom that they left."""
    told = place.told()
    return [{u for u, _, change in told if change == kind} for kind in ("entered", "left")]


def records(broker, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "test",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    found = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = consumer.poll(2)
        if message is None and found:
            break
        if message is not None and not message.error():
            assert message.key().decode() == json.loads(message.value())["user_id"]
            found.append(json.loads(message.value()))
    consumer.close()
    return found


def test_what_cannot_be_followed_is_said(place):
    place.add([simple("u1", 0, AS_OF)])
    with pytest.raises(ConfigError, match="None of clusters has kind: rules"):
        place.live("segments.segmentations=[clusters]")
