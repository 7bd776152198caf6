"""Collector and API over one lake: who withdraws, and what is bought, counts within a second."""

from __future__ import annotations

import os
import statistics
import time
from datetime import datetime, timezone

import httpx
import pytest
from starlette.testclient import TestClient

from sparkperso.config import load_settings
from sparkperso.services.serve.app import make_app
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.collector import running_collector
from sparkperso.testing.serving import release, stored_list

ITEMS = [f"i{number}" for number in range(1, 31)]
POPULAR = [f"p{number}" for number in range(1, 31)]
PEOPLE = [f"u{number}" for number in range(5)]
SERVER, PAGE = ("local-server-key", ""), ("local-dev-key", "")
TOKEN = {"Authorization": "Bearer local-dev-token"}
ASKED = ("collect.sites.local.consent=required", "serving.consent=required")
MOST_SECONDS = 1.0


class Shop:
    """A collector in a process of its own, and the API, with what both are asked."""

    def __init__(self, collector, api):
        self.collector, self.api = collector, api

    def decide(self, person, granted):
        decision = {"purposes": {"personalisation": granted, "analytics": granted}}
        self._post("consent", SERVER, {"user_id": person, **decision})

    def act(self, person, event_type, item_id, **more):
        moment = datetime.now(timezone.utc).isoformat()
        event = {"user_id": person, "timestamp": moment, "event_type": event_type}
        self._post("events", PAGE, {**event, "item_id": item_id, **more})

    def _post(self, route, key, body):
        answer = httpx.post(f"{self.collector.url}/v1/{route}", json=body, auth=key, timeout=30)
        assert answer.status_code == 200, answer.text

    def answer(self, person):
        answer = self.api.get(f"/v1/recommendations/{person}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def strategy(self, person):
        return self.answer(person)["strategy"]

    def items(self, person):
        return [item["item_id"] for item in self.answer(person)["items"]]


@pytest.fixture(params=["lmdb", "redis"])
def shop(request, tmp_path):
    more = list(ASKED)
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        place = f"store.redis.url={server.url}", f"store.redis.prefix={tmp_path.name}"
        more += ["store.kind=redis", *place]
    lake = tmp_path / "lake"
    settings = load_settings("local", None, tuple(more), str(lake))
    store = open_store(settings)
    lists = {person: stored_list(ITEMS, model_version="7") for person in PEOPLE}
    popular = {"global": stored_list(POPULAR, "popularity", "popular:global")}
    release(store, {"lists.new": lists, "popular": popular})
    store.close()
    options = [option for one in more for option in ("--set", one)]
    with (
        running_collector(lake, *options) as collector,
        TestClient(make_app(settings, os.environ), headers=TOKEN) as api,
    ):
        yield Shop(collector, api)


def seconds_until(condition, most=20.0):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < most, "it did not come about"
        time.sleep(0.01)
    return time.monotonic() - started


def test_a_withdrawal_and_a_purchase_count_within_a_second(shop):
    withdrawn, bought = [], []
    for person in PEOPLE:
        assert shop.strategy(person) == "no_consent"
        shop.decide(person, True)
        seconds_until(lambda who=person: shop.strategy(who) == "hybrid")
        assert shop.items(person)[:2] == ["i1", "i2"]
        shop.act(person, "purchase", "i1", value=3)
        bought.append(seconds_until(lambda who=person: shop.items(who)[0] == "i2"))
        shop.act(person, "dismiss", "i2")
        seconds_until(lambda who=person: shop.items(who)[0] == "i3")
        shop.decide(person, False)
        withdrawn.append(seconds_until(lambda who=person: shop.strategy(who) == "no_consent"))
        assert shop.items(person)[0] == "p1", "nothing that is known of them counts"
        shop.decide(person, True)
        seconds_until(lambda who=person: shop.strategy(who) == "hybrid")
        assert shop.items(person)[0] == "i1", "what they did before is not kept"
    for seconds in (withdrawn, bought):
        assert statistics.median(seconds) < MOST_SECONDS, seconds
