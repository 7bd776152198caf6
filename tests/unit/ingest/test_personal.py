"""A record that says nothing personal at a look is one that the whole way leaves as it is."""

from __future__ import annotations

import json

import pytest

from sparkperso.config import load_named
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.ingest.personal import UNCHANGED, PersonalTask, _Records
from sparkperso.privacy.keys import Keys

VIEW = {"user_id": "u1", "event_type": "item_view", "item_id": "i1"}
EVENTS = [
    VIEW | {"metadata": {"title": "Cup", "price": 3}, "context": {"country": "GB"}},
    VIEW | {"metadata": {"title": "Cup", "email": "ann@example.com"}},
    VIEW | {"metadata": {"title": {"email": "ann@example.com"}}},
    VIEW | {"metadata": {"title": ' [{"phone": "1"}]'}},
    VIEW | {"metadata": {"title": "Cup"}, "phone": "+44 20 7946 0000"},
    VIEW | {"metadata": {"title": "Cup"}, "extra": {"email": "ann@example.com"}},
    VIEW | {"metadata": '{"email": "ann@example.com"}'},
    VIEW | {"metadata": {"plan": "gold"}, "context": {"page_url": "https://shop.example/"}},
    {"user_id": "u1", "event_type": "identify", "metadata": {"title": "Dr", "town": "Ely"}},
    {"user_id": "u1", "event_type": "item_view", "metadata": None},
]


@pytest.fixture
def records():
    """Returns a function that gives a new reader of records of the shipped events."""
    source = load_named("sources", "events", SourceConfig)
    plan = load_named("tracking_plans", "default", TrackingPlan)
    keys = Keys(current="k1", secrets={"k1": b"x" * 32}, chains={"k1": ("k1",)})
    return lambda: _Records(PersonalTask(source, plan, keys, keeps_ids=False))


def row(event):
    """Returns an event as Columns hand it over: metadata's values are texts."""
    metadata = event.get("metadata") or {}
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    fields = {name: event.get(name) for name in ("user_id", "event_type", "item_id")}
    given = {name: value for name, value in fields.items() if value is not None}
    mapped = given | {"metadata": texts, "context": event.get("context") or {}}
    return json.dumps(event), "ab" * 32, False, json.dumps(mapped), None


def test_the_short_way_and_the_long_one_give_the_same(records, monkeypatch):
    short = records()
    given = [short.of_row(*row(event)) for event in EVENTS * 2]
    with monkeypatch.context() as patch:
        patch.setattr(_Records, "_says_nothing", lambda *_: False)
        long = records()
        assert [long.of_row(*row(event)) for event in EVENTS * 2] == given
    changed = [one is not UNCHANGED and one != UNCHANGED for one in given[: len(EVENTS)]]
    assert changed == [False, *[True] * 6, False, True, False]


def test_most_records_take_the_short_way_once_their_names_are_known(records, monkeypatch):
    reader, long, whole = records(), [], _Records._payload
    monkeypatch.setattr(_Records, "_payload", lambda *given: long.append(0) or whole(*given))
    for _ in range(3):
        assert reader.of_row(*row(EVENTS[0])) == UNCHANGED
    assert len(long) == 1
