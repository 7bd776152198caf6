"""What the collector tells the serving store, whatever the store does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from sparkperso.config.collect import RecentConfig
from sparkperso.config.consent import ConsentConfig
from sparkperso.core.times import iso, now
from sparkperso.services.collect import overlay_feed
from sparkperso.services.collect.intake.consent_gate import ConsentGate
from sparkperso.services.collect.intake.consent_store import ConsentStore
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.collect.overlay_feed import OverlayFeed
from sparkperso.services.http.write_keys import SiteKey
from sparkperso.services.stores.base import StoreError
from sparkperso.services.stores.overlay import RECENT, LmdbOverlay
from sparkperso.services.stores.records import CONSENTS, MARKETING_CONSENTS

SHOP = SiteKey("shop", "required", "web", ())
YES, NO = {"personalisation": True}, {"personalisation": False}


class Switch(LmdbOverlay):
    """An overlay that can be made not to answer."""

    is_down = False

    def change_many(self, changes):
        if self.is_down:
            raise StoreError("Redis at nowhere should answer", "it does not", "Start it")
        super().change_many(changes)


class Place:
    """A folder with the decisions of a collector and an overlay."""

    def __init__(self, folder):
        self.folder = folder
        self.overlay = Switch(folder / "serving")
        self.metrics = Metrics(())

    def open_store(self):
        return ConsentStore(self.folder / "c.sqlite", has_outbox=True)

    @asynccontextmanager
    async def feed(self, store, **config):
        guard = ConsentGate(None, ConsentConfig(), store)
        recent = RecentConfig(**config)
        feed = OverlayFeed(
            self.overlay,
            store.outbox,
            recent,
            self.metrics,
            lambda event, key: guard.decision(event, "personalisation", key),
        )
        store.listeners.append(feed.wake)
        self.overlay_is_open = LmdbOverlay(self.folder / "serving")
        await feed.start()
        try:
            yield feed
        finally:
            await feed.close()

    def decided(self, subject, namespace=CONSENTS):
        (record,) = self.overlay_is_open.get_many([(namespace, subject)])
        return None if record is None else json.loads(record.value)["granted"]

    def recent(self, identifier):
        kinds = [(RECENT, f"{kind}:{identifier}") for kind in ("user_id", "anonymous_id")]
        (record, *_) = [*filter(None, self.overlay_is_open.get_many(kinds)), None]
        return None if record is None else [one["item_id"] for one in json.loads(record.value)]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


async def until(condition, seconds=5):
    for _ in range(int(seconds * 200)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")


def decide(store, subject, answers, kind="user_id", site="shop"):
    store.put_all(site, [(kind, subject, answers, iso(now()))])


def event(item_id, event_type="click", ago=0.0, **persons):
    at = iso(now() - timedelta(seconds=ago))
    return {
        "item_id": item_id,
        "event_type": event_type,
        "timestamp": at,
        "collected": {"received_at": iso(now())},
        **(persons or {"user_id": "u"}),
    }


def test_decisions_are_told_each_site_its_own(place):
    async def act():
        store = place.open_store()
        async with place.feed(store):
            decide(store, "u", YES)
            await until(lambda: place.decided("user_id:u") is True)
            decide(store, "u", {"analytics": False, "marketing": False})
            await until(lambda: place.decided("user_id:u", MARKETING_CONSENTS) is False)
            assert place.decided("user_id:u") is True
            decide(store, "u", NO, site="blog")
            await until(lambda: place.decided("user_id:u") is False)
            decide(store, "u", YES, kind="anonymous_id")
            await until(lambda: place.decided("anonymous_id:u") is True)
            assert place.decided("user_id:u") is False, "a device decides nothing for a user"
        store.close()

    asyncio.run(act())


def test_events_are_told_under_both_names_and_a_no_removes_them(place):
    async def act():
        store = place.open_store()
        async with place.feed(store) as feed:
            feed.add(SHOP, [event("i1", ago=1, user_id="u", anonymous_id="a")])
            feed.add(SHOP, [event("i2", user_id="u")])
            await until(lambda: place.recent("u") == ["i1", "i2"])
            assert place.recent("a") == ["i1"]
            late = event("i3", user_id="u")
            decide(store, "u", NO)
            await until(lambda: place.recent("u") == [])
            feed.add(SHOP, [late])
            feed.add(SHOP, [event("i4", user_id="other")])
            await until(lambda: place.recent("other") == ["i4"])
            assert (place.recent("u"), place.recent("a")) == ([], ["i1"])
        store.close()

    asyncio.run(act())


def test_a_withdrawal_is_told_once_the_overlay_answers_again_also_by_the_next_process(place):
    async def withdraw():
        store = place.open_store()
        async with place.feed(store):
            decide(store, "u", YES)
            await until(lambda: place.decided("user_id:u") is True)
            place.overlay.is_down = True
            decide(store, "u", NO)
            await until(lambda: place.metrics.overlay_failures._value.get() >= 2)
            assert place.decided("user_id:u") is True
            place.overlay.is_down = False
            await until(lambda: place.decided("user_id:u") is False)
            place.overlay.is_down = True
            decide(store, "v", NO)
        store.close()

    async def start_again():
        place.overlay = Switch(place.folder / "serving")
        store = place.open_store()
        assert store.outbox.waiting(10)[0] == [("user_id", "v")], "who was told is not told again"
        async with place.feed(store):
            await until(lambda: place.decided("user_id:v") is False)
        store.close()

    asyncio.run(withdraw())
    asyncio.run(start_again())


def test_an_overlay_that_has_forgotten_everything_is_told_of_everybody(place, monkeypatch):
    monkeypatch.setattr(overlay_feed, "BATCH", 7)
    monkeypatch.setattr(overlay_feed, "CHECK_SECONDS", 0.01)
    names = [f"u{n}" for n in range(30)]

    async def act(folder):
        place.overlay = Switch(place.folder / folder)
        store = place.open_store()
        async with place.feed(store):
            place.overlay_is_open = LmdbOverlay(place.folder / folder)
            for name in names:
                if folder == "serving":
                    decide(store, name, NO)
            await until(lambda: all(place.decided(f"user_id:{name}") is False for name in names))
        store.close()

    asyncio.run(act("serving"))
    asyncio.run(act("another"))


def test_an_outbox_that_was_left_out_for_a_while_tells_of_everybody(place):
    store = place.open_store()
    first = store.outbox.name
    store.close()
    store = ConsentStore(place.folder / "c.sqlite", has_outbox=False)
    assert store.outbox is None
    decide(store, "u", NO)
    store.close()
    store = place.open_store()
    assert store.outbox.name != first
    assert store.outbox.waiting(10)[0] == []
    assert [name for _, name in store.outbox.everybody(overlay_feed.FIRST, 10)] == ["u"]
    store.close()


def test_too_many_events_are_dropped_the_oldest_first_and_counted(place):
    async def act():
        store = place.open_store()
        place.overlay.is_down = True
        async with place.feed(store, max_pending=20) as feed:
            for n in range(50):
                feed.add(SHOP, [event(f"i{n}", ago=50 - n)])
            await until(lambda: place.metrics.overlay_failures._value.get() >= 1)
            place.overlay.is_down = False
            await until(lambda: place.recent("u") == [f"i{n}" for n in range(30, 50)])
        assert place.metrics.overlay_dropped._value.get() == 30
        store.close()

    asyncio.run(act())


def test_an_event_of_somebody_who_says_no_meanwhile_is_not_told(place):
    async def act():
        store = place.open_store()
        place.overlay.is_down = True
        async with place.feed(store) as feed:
            feed.add(SHOP, [event("i1", user_id="u"), event("i2", user_id="v")])
            await until(lambda: place.metrics.overlay_failures._value.get() >= 1)
            decide(store, "u", NO)
            place.overlay.is_down = False
            await until(lambda: place.recent("v") == ["i2"])
            assert place.recent("u") == []
        store.close()

    asyncio.run(act())


def test_what_waits_at_the_end_is_told(place):
    async def act():
        store = place.open_store()
        async with place.feed(store, flush_seconds=10) as feed:
            feed.add(SHOP, [event("i1")])
            await until(lambda: place.recent("u") == ["i1"])
            feed.add(SHOP, [event("i2")])
            decide(store, "v", NO)
        assert place.recent("u") == ["i1", "i2"]
        assert place.decided("user_id:v") is False
        store.close()

    asyncio.run(act())
