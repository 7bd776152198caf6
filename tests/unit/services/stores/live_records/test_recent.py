"""Recent events and decisions of the overlay: in any order, and sent twice, the same record."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest

from sparkperso.core.consent import Decision
from sparkperso.core.times import iso, now
from sparkperso.services.stores.live_records.consents import with_decisions
from sparkperso.services.stores.live_records.recent import (
    NOTHING,
    RecentEvent,
    removal,
    with_events,
)
from sparkperso.services.stores.overlay import LiveRecord

REACH = timedelta(hours=6)
DAYS = [f"2026-06-0{day}T10:00:00.000000Z" for day in (1, 2, 3)]


def event(item_id, seconds_ago, event_type="click", came_ago=0.0):
    moment = now()
    at, received = (moment - timedelta(seconds=s) for s in (seconds_ago, came_ago))
    return RecentEvent(item_id, event_type, at, received)


def after(*changes, record=None):
    for change in changes:
        changed = change(record)
        record = record if changed is None else changed
    return record


def items(record):
    return [one["item_id"] for one in json.loads(record.value)]


def test_events_stand_in_their_order_whatever_order_they_come_in():
    events = [event("a", 40), event("b", 30), event("c", 20)]
    for order in itertools.permutations(events):
        record = after(*(with_events([one], 50, REACH) for one in order))
        assert items(record) == ["a", "b", "c"]
        assert after(with_events(order, 50, REACH)).value == record.value


def test_an_event_that_comes_twice_stands_once():
    one, other = event("a", 40), event("a", 40, "purchase")
    record = after(with_events([one, one], 50, REACH), with_events([one, other], 50, REACH))
    assert items(record) == ["a", "a"]
    assert with_events([one], 50, REACH)(record) is None, "there is nothing to write"


def test_the_latest_stay_and_those_of_long_ago_go():
    many = [event(f"i{n}", 100 - n) for n in range(100)]
    record = after(*(with_events(many[n : n + 7], 50, REACH) for n in range(0, 100, 7)))
    assert items(record) == [f"i{n}" for n in range(50, 100)]
    old = event("old", REACH.total_seconds() + 1)
    assert with_events([old], 50, REACH)(None) is None
    held = LiveRecord(json.dumps([old.document()]).encode(), now(), now() + REACH)
    assert items(after(with_events([event("new", 1)], 50, REACH), record=held)) == ["new"]


def test_what_was_collected_before_a_removal_does_not_come_back():
    late = event("late", 5, came_ago=1)
    removed = after(with_events([event("a", 10)], 50, REACH), removal(REACH))
    assert removed.value == NOTHING
    assert with_events([late], 50, REACH)(removed) is None
    again = after(with_events([event("b", 0, came_ago=-1)], 50, REACH), record=removed)
    assert items(again) == ["b"]


def test_a_record_is_kept_for_as_long_as_its_last_event_counts():
    record = after(with_events([event("a", 10)], 50, REACH))
    assert timedelta(0) <= now() + REACH - record.until < timedelta(seconds=5)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_of_each_sites_decisions_the_last_counts_and_everybody_must_have_said_yes(order):
    told = [
        {"shop": Decision(True, DAYS[0])},
        {"shop": Decision(False, DAYS[1])},
        {"shop": Decision(True, DAYS[2])},
        {"blog": Decision(False, DAYS[0])},
    ]
    changes = [with_decisions(told[n]) for n in order]
    state = json.loads(after(*changes, *changes).value)
    assert state["sites"] == {"shop": [True, DAYS[2]], "blog": [False, DAYS[0]]}
    assert (state["granted"], state["decided_at"]) == (False, DAYS[2])


def test_at_one_moment_the_no_counts():
    yes, no = ({"shop": Decision(given, DAYS[0])} for given in (True, False))
    for pair in ((yes, no), (no, yes)):
        record = after(*map(with_decisions, pair))
        assert json.loads(record.value)["granted"] is False
        assert iso(record.at) == DAYS[0]


def test_a_record_without_sites_is_of_no_site():
    value = json.dumps({"granted": False, "decided_at": DAYS[1]}).encode()
    record = LiveRecord(value, now(), now())
    yes = with_decisions({"shop": Decision(True, DAYS[2])})
    assert json.loads(after(yes, record=record).value)["granted"] is False
