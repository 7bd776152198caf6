"""Laws of open pages: each is told the latest, and nobody without consent anything."""

import asyncio
import json
import os
import random
import re
import time
from datetime import timedelta

import orjson
import pytest
from starlette.testclient import TestClient as PlainClient
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import TOKEN, Api, records

from sparkperso.config import load_settings
from sparkperso.core.times import now
from sparkperso.services.access.browser_tokens import BrowserTokens
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.process.drain import DRAIN
from sparkperso.services.serve.app import make_service
from sparkperso.services.serve.engine.people import Subject
from sparkperso.services.serve.engine.segment_streams import SegmentState, SegmentStream
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.overlay import LiveRecord
from sparkperso.services.stores.records import CONSENTS, SEGMENTS
from sparkperso.testing.serving import live, release

OPT_OUT = ["consent.opt_out_regions=['US-CA']", "consent.default=opt_in"]
FAST = ["api.streams.poll_seconds=0.01", "api.refresh_seconds=0.05", "api.budget_ms=500", *OPT_OUT]


@pytest.fixture(params=["lmdb", "redis"])
def settings(request, tmp_path):
    more = list(FAST)
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
        more += [
            "store.kind=redis",
            f"store.redis.url={url}",
            f"store.redis.prefix={tmp_path.name}",
        ]
    return load_settings("local", assignments=more, lake=str(tmp_path / "lake"))


class Place:
    """The service's parts while they run, and the writer beside it."""

    def __init__(self, settings):
        self.store, self.overlay = open_store(settings), open_overlay(settings)
        release(self.store, records())
        self.service = make_service(settings, os.environ)
        self.streams = self.service.streams

    def segments(self, user_id, *ids, at=None):
        value = orjson.dumps([{"segment_id": one} for one in ids])
        moment = at or now()
        record = LiveRecord(value, moment, moment + timedelta(hours=1))
        self.overlay.put_many([((SEGMENTS, user_id), record)])

    def run(self, act):
        async def main():
            await self.service.store.refresh()
            await self.streams.start()
            follow = asyncio.create_task(self.service.store.follow())
            try:
                await asyncio.wait_for(act(self), 30)
            finally:
                follow.cancel()
                await self.streams.end()
                await self.service.store.reader.close()

        try:
            asyncio.run(main())
        finally:
            self.overlay.close()
            self.store.close()


@pytest.fixture
def place(settings):
    return Place(settings)


def opened(place, user_id, anonymous_id=None, address=None):
    return place.streams.open(Subject(user_id, anonymous_id), address, None)


async def silence(stream, seconds=0.15):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stream.next(), seconds)


def test_a_page_begins_with_what_is_now_and_is_told_each_change(place):
    async def act(place):
        anna, stranger = opened(place, "anna"), opened(place, "stranger")
        assert await anna.next() == SegmentState(("vip",), True)
        assert await stranger.next() == SegmentState((), True)
        place.segments("anna", "vip", "new")
        assert (await anna.next()).segments == ("vip", "new")
        place.segments("anna")
        assert (await anna.next()).segments == ()
        # What is older than what is there changes nothing; nor does what is the same.
        place.segments("anna", "old", at=now() - timedelta(minutes=1))
        place.segments("anna")
        await silence(anna)
        place.streams.close(stranger)
        place.segments("stranger", "new")
        await silence(stranger)
        again = opened(place, "stranger")
        assert (await again.next()).segments == ("new",)

    place.run(act)


def test_a_slow_reader_gets_the_latest_state_alone():
    async def act():
        stream = SegmentStream(Subject("anna"), (None, None))
        for number in range(1000):
            stream.offer(SegmentState((str(number),), True))
        assert (await stream.next()).segments == ("999",)
        stream.offer(SegmentState(("other",), True))
        stream.offer(SegmentState(("999",), True))
        await silence(stream, 0.05)

    asyncio.run(act())


def test_nothing_is_told_without_consent_and_a_withdrawal_ends_it_at_once(place):
    async def act(place):
        refused, anna = opened(place, "refused"), opened(place, "anna")
        visitor = place.streams.open(Subject("anna", "visitor-no"), None, None)
        opted_out = place.streams.open(Subject("anna", region="US-CA", opted_out=True), None, None)
        for one in (refused, visitor, opted_out):
            assert await one.next() == SegmentState((), False)
        assert await anna.next() == SegmentState(("vip",), True)
        denied = live({"granted": False, "decided_at": "2026-06-01T00:00:00.000000Z"})
        place.overlay.put_many([((CONSENTS, "user_id:anna"), denied)])
        assert await anna.next() == SegmentState((), False)
        place.segments("anna", "new")
        for one in (anna, refused, visitor, opted_out):
            await silence(one, 0.1)
        granted = live({"granted": True, "decided_at": "2026-07-01T00:00:00.000000Z"})
        place.overlay.put_many([((CONSENTS, "user_id:anna"), granted)])
        assert await anna.next() == SegmentState(("new",), True)

    place.run(act)


def test_a_new_version_is_told_too(place):
    async def act(place):
        anna = opened(place, "anna")
        assert (await anna.next()).segments == ("vip",)
        published = {"anna": orjson.dumps([{"segment_id": "published"}])}
        await asyncio.to_thread(release, place.store, {**records(), "segments": published})
        assert (await anna.next()).segments == ("published",)

    place.run(act)


class Crowd:
    """Pages that come and go, read at their own pace, while people change."""

    def __init__(self, place, chance):
        self._place, self._chance = place, chance
        self._told, self._last = {}, {}
        self._readers = {}
        self._names = [f"u{number}" for number in range(20)]

    def step(self):
        name, luck = self._chance.choice(self._names), self._chance.random()
        if len(self._readers) < 10 or luck < 0.4:
            stream = opened(self._place, name)
            self._readers[stream] = asyncio.create_task(self._read(stream))
        elif luck < 0.5:
            gone = self._chance.choice(list(self._readers))
            self._readers.pop(gone).cancel()
            self._place.streams.close(gone)
        else:
            self._last[name] = tuple(self._chance.sample("abcdef", self._chance.randrange(4)))
            self._place.segments(name, *self._last[name])

    async def _read(self, stream):
        while True:
            self._told[stream] = (await stream.next()).segments
            await asyncio.sleep(self._chance.random() / 50)

    def is_told(self):
        return all(
            self._told.get(one) == self._last.get(one.subject.user_id, ()) for one in self._readers
        )

    def leave(self):
        for reader in self._readers.values():
            reader.cancel()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_in_whatever_order_all_pages_end_with_what_is(place, seed):
    async def act(place):
        crowd = Crowd(place, random.Random(seed))
        for number in range(150):
            crowd.step()
            await asyncio.sleep(0.005 if number % 10 == 0 else 0)
        for _ in range(400):
            if not crowd.is_told():
                await asyncio.sleep(0.02)
        assert crowd.is_told()
        crowd.leave()

    place.run(act)


def test_a_record_that_cannot_be_read_is_one_persons_fault(place):
    async def act(place):
        broken, anna = opened(place, "broken"), opened(place, "anna")
        assert (await broken.next()).segments == ()
        record = LiveRecord(b"[{", now(), now() + timedelta(hours=1))
        place.overlay.put_many([((SEGMENTS, "broken"), record)])
        place.segments("anna", "new")
        while (await anna.next()).segments != ("new",):
            pass
        await silence(broken, 0.1)
        place.segments("broken", "whole")
        assert (await broken.next()).segments == ("whole",)

    place.run(act)


def test_who_is_there_when_the_process_ends_is_sent_away_and_nobody_comes_any_more(
    place, monkeypatch
):
    async def act(place):
        anna, ben = opened(place, "anna"), opened(place, "ben")
        assert (await anna.next()).segments == ("vip",)
        monkeypatch.setattr(DRAIN, "is_begun", True)
        assert await anna.next() is None
        assert await ben.next() is None
        with pytest.raises(Problem, match="This process ends") as refused:
            opened(place, "anna")
        assert refused.value.status == 503

    place.run(act)


def test_places_are_bounded_and_given_back(settings):
    bounds = {"max_streams": 10, "max_streams_per_address": 4}
    limits = settings.api.limits.model_copy(update=bounds)
    api = settings.api.model_copy(update={"limits": limits})
    place = Place(settings.model_copy(update={"api": api}))

    async def act(place):
        own = [opened(place, "anna", address="1.1.1.1") for _ in range(4)]
        with pytest.raises(Problem, match="address has all") as refused:
            opened(place, "anna", address="1.1.1.1")
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "5")
        place.streams.close(own.pop())
        own.append(opened(place, "anna", address="1.1.1.1"))
        for number in range(4):
            own.append(place.streams.open(Subject("anna"), f"2.2.2.{number}", "user:anna"))
        with pytest.raises(Problem, match="user has all"):
            place.streams.open(Subject("anna"), "3.3.3.3", "user:anna")
        own += [opened(place, "ben") for _ in range(2)]
        with pytest.raises(Problem, match="all the streams") as full:
            opened(place, "ben")
        assert full.value.status == 503
        text = place.service.metrics.text().decode()
        assert "sparkperso_serve_streams 10.0" in text
        for one in own:
            place.streams.close(one)
        assert "sparkperso_serve_streams 0.0" in place.service.metrics.text().decode()
        assert len([opened(place, "ben", address="1.1.1.1") for _ in range(4)]) == 4

    place.run(act)


# The route: what it refuses, and a stream that its token ends.

URL = "/v1/stream"
BRIEF = ["security.browser.minutes=0.035", "api.region_header=X-Country", *OPT_OUT]


@pytest.fixture(scope="module")
def page_client(tmp_path_factory):
    """An API whose browser tokens are good for two seconds."""
    api = Api(tmp_path_factory.mktemp("api"), more=BRIEF)
    with TestClient(api.app) as client:
        yield client


def token_of(client, **subject):
    return client.post("/v1/tokens", json=subject, headers=TOKEN).json()["token"]


def data_of(answer):
    assert answer.status_code == 200, answer.text
    lines = [line.partition(": ") for line in answer.text.splitlines()]
    return [json.loads(value) for name, _, value in lines if name == "data"]


def test_a_stream_is_of_the_tokens_own_person_and_ends_with_it(page_client):
    origin = {"Origin": "http://localhost:3000"}
    for subject, segments in (({"user_id": "anna"}, ["vip"]), ({"anonymous_id": "a1"}, [])):
        token = token_of(page_client, **subject)
        began = time.monotonic()
        answer = page_client.get(URL, params={"token": token}, headers=origin)
        assert time.monotonic() - began < 3
        assert data_of(answer) == [{**subject, "segments": segments, "consent": True}]
        assert re.search(r"^retry: \d{4}$", answer.text, re.MULTILINE)
        assert answer.text.count("event: segments") == answer.text.count("id: ") == 1
        kind = answer.headers["content-type"].partition(";")[0]
        assert (kind, answer.headers["cache-control"]) == ("text/event-stream", "no-store")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
    again = page_client.get(URL, params={"token": token}, headers={"Last-Event-ID": "1"})
    assert again.status_code in (200, 401)


def test_who_opted_out_is_told_nothing(page_client):
    token = token_of(page_client, user_id="anna")
    headers = {"Sec-GPC": "1", "X-Country": "US-CA"}
    answer = page_client.get(URL, params={"token": token}, headers=headers)
    assert data_of(answer) == [{"user_id": "anna", "segments": [], "consent": False}]


def test_others_expired_forged_and_other_tokens_are_refused(page_client):
    token = token_of(page_client, user_id="anna")
    head, claims, signature = token.split(".")
    forged = ".".join((head, claims, signature[::-1]))
    old = BrowserTokens(["0" * 64], 1).issue(user_id="anna").text
    for wrong in (forged, old, "", "x" * 10_000, "local-dev-token", "\x00ü"):
        assert page_client.get(URL, params={"token": wrong}).status_code == 401
    assert page_client.get(URL).status_code == 401
    for name in ("user_id", "anonymous_id"):
        other = page_client.get(URL, params={"token": token, name: "ben"})
        assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (403, "other_user")
    for query in ("token=a&token=b", "user=anna", "user_id=anna&anonymous_id=a", "user_id=", ""):
        assert page_client.get(f"{URL}?{query}", headers=TOKEN).status_code == 422
    key = load_settings("local").security.browser.key
    expired = BrowserTokens([key], 1, lambda: time.time() - 3600).issue(user_id="anna").text
    answer = page_client.get(URL, params={"token": expired})
    assert (answer.status_code, answer.json()["type"][-13:]) == (401, "expired_token")
    # A head, which is described nowhere, takes no place.
    head = PlainClient(page_client.app).head(URL, params={"user_id": "anna"}, headers=TOKEN)
    assert (head.status_code, head.text) == (200, "")
    assert "sparkperso_serve_streams 0.0" in page_client.get("/metrics").text
