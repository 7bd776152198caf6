"""What stream-segments finds is what the serving store answers, also after the store was away."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pyspark.sql import functions as F
from tests.live import Place, simple, wait_until

from sparkperso.jobs.publish.job import segments_known_at
from sparkperso.jobs.stream_segments import serving_relay
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.overlay import FED
from sparkperso.services.stores.records import SEGMENTS as SERVED
from sparkperso.testing.rules import AS_OF
from sparkperso.testing.serving import release

RULES = """
kind: rules
segments:
  viewers: {when: {count: {event_type: item_view}, within_days: 3, at_least: 1}}
  buyers: {when: {count: {event_type: purchase}, within_days: 3, at_least: 1}}
"""
ON = "segments.live.overlay=true"
VIEWERS, BUYERS = "audience-viewers", "audience-buyers"


@pytest.fixture
def place(spark, tmp_path):
    place = Place(spark, tmp_path)
    place.write_rules(RULES)
    return place


class Served:
    """The serving store of a lake, as its readers see it."""

    def __init__(self, place, *settings):
        job = place.job("publish", *settings)
        self.store, self._overlay = open_store(job.settings), open_overlay(job.settings)
        self.live = LiveStore(open_store(job.settings), open_overlay(job.settings))

    def publish(self, **records):
        release(self.store, {SERVED: records})
        self.live.refresh()

    def records(self, user):
        (found,) = self.live.get_many([(SERVED, user)])
        return None if found is None else json.loads(found)

    def segments(self, user):
        found = self.records(user)
        return None if found is None else [one["segment_id"] for one in found]

    def at(self, user):
        (record,) = self._overlay.get_many([(SERVED, user)])
        return record.at

    def close(self):
        for one in (self.live, self._overlay, self.store):
            one.close()


@pytest.fixture
def served(place):
    served = Served(place)
    yield served
    served.close()


def views(*users, at=AS_OF, number=0):
    return [simple(user, number, at) for user in users]


def buys(*users, at=AS_OF, number=1):
    return [simple(user, number, at, "purchase", value=1.0) for user in users]


NAMES = [f"u{number}" for number in range(6)]


@pytest.mark.usefixtures("unrecorded")
def test_whoever_buys_is_served_all_of_their_segments_and_who_left_none(place, served):
    served.publish(**{NAMES[0]: b'[{"segment_id": "published"}]'})
    place.add([*views(*NAMES), *buys(*NAMES[1:])])
    place.live("segments.min_members=1", ON)
    assert served.segments(NAMES[0]) == [VIEWERS]
    assert served.segments(NAMES[1]) == [BUYERS, VIEWERS]
    assert served.segments("nobody") is None
    assert [record["kind"] for record in served.records(NAMES[1])] == ["rule", "rule"]
    published = place.lake.ref("gold/segments").read().where(F.col("user_id") == NAMES[0])
    (row,) = published.collect()
    for name in ("segment_id", "segmentation", "label", "kind", "model_version"):
        assert served.records(NAMES[0])[0][name] == row[name]

    def buy():
        place.add_and_wait(buys(NAMES[0], number=2))
        wait_until(lambda: served.segments(NAMES[0]) == [BUYERS, VIEWERS])
        # Time moves on by an event of somebody else: all windows are over.
        place.add_and_wait(views("late", at=AS_OF + timedelta(days=5)))
        wait_until(lambda: served.segments(NAMES[0]) == [])

    place.live_while(buy, "segments.min_members=1", "segments.live.sweep_seconds=1", ON)
    assert served.segments("late") == [VIEWERS]
    history = place.lake.ref("gold/segment_history").read()
    last = history.groupBy("user_id").agg(F.unix_micros(F.max("assigned_at"))).collect()
    assert {row[0] for row in last} == {*NAMES, "late"}
    assert all(served.at(user).timestamp() * 1e6 == pytest.approx(at, abs=1) for user, at in last)


@pytest.mark.usefixtures("unrecorded")
def test_a_store_that_is_away_stops_nothing_and_gets_everything(
    place, redis_server, tmp_path, monkeypatch
):
    redis = [f"store.redis.url={redis_server.url}", f"store.redis.prefix={tmp_path.name}"]
    settings = ["store.kind=redis", "store.redis.timeout_seconds=1", *redis]
    lines = []
    place.add(views(*NAMES))

    def act():
        redis_server.stop()
        place.add_and_wait(buys(*NAMES[:3]))
        wait_until(lambda: {u for u, s, _ in place.told() if s == BUYERS} == set(NAMES[:3]))
        wait_until(lambda: any("wait for it" in line for line in lines))
        redis_server.start()
        wait_until(lambda: any("answers again" in line for line in lines))

    own = ["segments.min_members=1", ON, *settings]
    assert place.live_while(act, *own, say=lines.append)["segments served"] >= 3
    served = Served(place, *settings)
    assert [served.segments(name) for name in NAMES[:3]] == [[BUYERS, VIEWERS]] * 3
    # The stream ends while the store is away: the next one writes what is missing.
    redis_server.stop()
    monkeypatch.setattr(serving_relay, "LAST_SECONDS", 0.5)
    place.add(buys(*NAMES[3:], number=3))
    summary = place.live(*own, say=lines.append)
    redis_server.start()
    assert summary["changes wait for the serving store"] == "yes"
    assert summary["entered and left"] == 3
    assert "the next run writes them" in lines[-1]
    assert served.segments(NAMES[3]) is None
    monkeypatch.undo()
    assert "changes wait for the serving store" not in place.live(*own)
    assert [served.segments(name) for name in NAMES[3:]] == [[BUYERS, VIEWERS]] * 3
    served.close()


@pytest.mark.usefixtures("unrecorded")
def test_what_an_update_found_is_in_the_table_after_a_sweep_and_versions_say_what_they_know(place):
    # Of segments without anybody at a sweep nobody is told before the next one.
    place.add([*views(*NAMES), *buys("first")])
    place.live("segments.min_members=1")
    n_told = len(place.told())
    assert n_told == len(NAMES) + 1
    before = place.members()

    def buy():
        place.add_and_wait(buys(*NAMES))
        wait_until(lambda: len(place.told()) == n_told + len(NAMES), 60)

    place.live_while(buy, "segments.min_members=1", "segments.live.sweep_seconds=600")
    history = place.lake.ref("gold/segment_history").read()
    times = sorted(row[0] for row in history.select(F.unix_micros("assigned_at")).collect())
    entered, bought = times[0], times[-1]
    assert place.members() == before
    # The update wrote the history alone: a version of now would not know who bought.
    assert entered <= micros(segments_known_at(place.job("publish"))) == bought - 1
    assert place.live("segments.min_members=1")["entered and left"] == 0
    assert {row[0] for row in place.members() if row[1] == BUYERS} == {*NAMES, "first"}
    assert micros(segments_known_at(place.job("publish"))) == bought


def micros(moment):
    return round(moment.timestamp() * 1e6)


@pytest.mark.usefixtures("unrecorded")
def test_where_nothing_is_published_or_asked_for_nothing_is_served(place, served):
    place.add(views(*NAMES))
    for setting in ("segments.live.overlay=false", "segments.live.overlay=if_published"):
        assert "segments served" not in place.live("segments.min_members=1", setting)
    assert served.live.get_many([(SERVED, name) for name in NAMES]) == [None] * len(NAMES)
    served.publish()
    place.live("segments.min_members=1", "segments.live.overlay=if_published")
    assert served.segments(NAMES[0]) == [VIEWERS]
    assert SERVED in FED
