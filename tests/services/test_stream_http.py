"""Streams of a running API, of two workers: over LMDB's files, and over a real Redis."""

from __future__ import annotations

import json
import queue
import re
import selectors
import signal
import socket
import time
from datetime import timedelta

import httpx
import pytest
from tests.sse import Page
from tests.unit.services.serve.conftest import TOKEN, records

from sparkperso.config import load_settings
from sparkperso.core.times import now
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.overlay import LiveRecord
from sparkperso.services.stores.records import CONSENTS, SEGMENTS
from sparkperso.testing.api import running_api
from sparkperso.testing.serving import live, release

SECONDS = 2.0
"""A change is at an open page by then."""
PATIENT = ["api.budget_ms=2000", "security.limits.requests_per_second=100000"]


class Shop:
    """A store, who writes to it, and an API over it."""

    def __init__(self, folder, *more):
        self.lake, self.more = folder / "lake", (*PATIENT, *more)
        settings = load_settings("local", assignments=self.more, lake=str(self.lake))
        self.store, self.overlay = open_store(settings), open_overlay(settings)
        release(self.store, records())

    def serve(self, *more, workers=2, log=None):
        options = [word for one in (*self.more, *more) for word in ("--set", one)]
        return running_api(self.lake, "--workers", str(workers), *options, log=log)

    def change(self, user_id, *ids):
        value = json.dumps([{"segment_id": one} for one in ids]).encode()
        record = LiveRecord(value, now(), now() + timedelta(hours=1))
        self.overlay.put_many([((SEGMENTS, user_id), record)])
        return time.monotonic()


@pytest.fixture(params=["lmdb", "redis"])
def shop(request, tmp_path):
    more = []
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
        more = ["store.kind=redis", f"store.redis.url={url}", f"store.redis.prefix={tmp_path.name}"]
    shop = Shop(tmp_path, *more)
    yield shop
    shop.overlay.close()
    shop.store.close()


def token_of(api, **subject):
    answer = httpx.post(f"{api.url}/v1/tokens", json=subject, headers=TOKEN)
    return answer.json()["token"]


def test_a_change_is_at_every_open_page_within_seconds_whichever_worker_serves_it(shop, tmp_path):
    log = tmp_path / "log"
    with shop.serve("api.drain_seconds=1", log=log) as api:
        url, token = f"{api.url}/v1/stream", token_of(api, user_id="anna")
        pages = [Page(url, params={"token": token}) for _ in range(10)]
        ben = Page(url, TOKEN, {"user_id": "ben"})
        assert [page.segments() for page in pages] == [["vip"]] * 10
        assert ben.segments() == []
        for number in range(3):
            at = shop.change("anna", "vip", f"new-{number}")
            events = [page.next() for page in pages]
            assert all(one.data["segments"] == ["vip", f"new-{number}"] for one in events)
            assert max(one.at for one in events) - at < SECONDS
        last = events[0].event_id
        # A page that was away while something changed begins with what is.
        pages[0].close()
        shop.change("anna", "vip")
        again = Page(url, {"Last-Event-ID": last}, {"token": token})
        assert again.segments() == ["vip"]
        denied = live({"granted": False, "decided_at": "2026-06-01T00:00:00.000000Z"})
        shop.overlay.put_many([((CONSENTS, "user_id:anna"), denied)])
        at = time.monotonic()
        event = again.next()
        while event.data["segments"]:
            event = again.next()
        assert (event.data["consent"], event.at - at < SECONDS) == (False, True)
        shop.change("anna", "secret")
        with pytest.raises(queue.Empty):
            again.next(1)
        assert ben.events.empty()
        # A reload, and SIGTERM: a page that goes on reading delays no end, and comes back.
        api.signal(signal.SIGHUP)
        assert again.ended.wait(20)
        assert ben.ended.wait(20)
        ben = Page(url, TOKEN, {"user_id": "ben"})
        assert ben.segments() == []
        began = time.monotonic()
        assert api.end() == 0
        assert time.monotonic() - began < 5
        assert ben.ended.wait(5)
    assert '"level": "error"' not in log.read_text()


def test_a_stream_says_that_it_is_there_ends_with_its_token_and_refuses_others(tmp_path):
    shop = Shop(tmp_path, "security.browser.minutes=0.05", "api.streams.heartbeat_seconds=0.2")
    with shop.serve(workers=1) as api:
        url, token = f"{api.url}/v1/stream", token_of(api, user_id="anna")
        began = time.monotonic()
        page = Page(url, params={"token": token})
        assert page.segments() == ["vip"]
        assert page.ended.wait(10)
        assert time.monotonic() - began < 5
        assert page.comments >= 3
        other = token_of(api, user_id="ben")
        for params, status in (
            ({"token": other[:-3] + "abc"}, 401),
            ({"token": other, "user_id": "anna"}, 403),
            ({"token": "local-dev-token"}, 401),
        ):
            refused = Page(url, params=params).response
            assert refused.status_code == status
            assert refused.headers["content-type"] == "application/problem+json"


def opened(api, user_id, forwarded=None):
    """A connection that asked for a stream, as bytes."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    peer = socket.create_connection((host, int(port)), 10)
    lines = [f"GET /v1/stream?user_id={user_id} HTTP/1.1", "Host: x"]
    lines += [f"Authorization: {TOKEN['Authorization']}"]
    lines += [f"X-Forwarded-For: {forwarded}"] if forwarded else []
    peer.sendall("\r\n".join([*lines, "", ""]).encode())
    return peer


def test_a_thousand_pages_are_told_and_what_is_beyond_is_refused(tmp_path):
    most = 1000
    shop = Shop(tmp_path, f"api.limits.max_streams={most}", "api.limits.max_connections=2100")
    with shop.serve(workers=1) as api, selectors.DefaultSelector() as ready:
        received = {}
        for _ in range(most):
            peer = opened(api, "anna")
            received[peer] = b""
            ready.register(peer, selectors.EVENT_READ)

        def read_until(text, seconds):
            deadline = time.monotonic() + seconds
            while not all(text in got for got in received.values()):
                assert time.monotonic() < deadline, sum(text in one for one in received.values())
                for key, _ in ready.select(1):
                    received[key.fileobj] += key.fileobj.recv(65_536)

        read_until(b'"segments":["vip"]', 60)
        for _ in range(3):
            refused = opened(api, "anna")
            assert b" 503 " in refused.recv(65_536).partition(b"\r\n")[0]
            refused.close()
        at = shop.change("anna", "vip", "everybody")
        read_until(b'"everybody"', 20)
        assert time.monotonic() - at < 5
        # Beside them lists are answered as ever.
        began = time.monotonic()
        answer = httpx.get(f"{api.url}/v1/recommendations/anna?n=3", headers=TOKEN)
        assert (answer.status_code, time.monotonic() - began < 1) == (200, True)
        assert f"sparkperso_serve_streams {most}.0" in httpx.get(f"{api.url}/metrics").text
        for peer in received:
            peer.close()
        # Their places are free again, and taken anew.
        deadline = time.monotonic() + 20
        while "sparkperso_serve_streams 0.0" not in httpx.get(f"{api.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        page = Page(f"{api.url}/v1/stream", TOKEN, {"user_id": "anna"})
        assert page.segments() == ["vip", "everybody"]
        page.close()


def test_one_address_takes_its_part_of_the_places(tmp_path):
    shop = Shop(tmp_path, "api.limits.max_streams_per_address=3")
    with shop.serve(workers=1) as api:
        tokens = [token_of(api, user_id=f"u{number}") for number in range(5)]
        url = f"{api.url}/v1/stream"
        here, there = {"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "203.0.113.6"}
        pages = [Page(url, here, {"token": token}) for token in tokens]
        assert sorted(page.response.status_code for page in pages) == [200, 200, 200, 429, 429]
        assert pages[-1].response.headers["Retry-After"] == "5"
        assert Page(url, there, {"token": tokens[4]}).segments() == []


def test_who_does_not_read_delays_nobody_and_is_cut_off(tmp_path):
    shop = Shop(tmp_path, "api.limits.body_seconds=2")
    with shop.serve(workers=1) as api:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        host, _, port = api.url.removeprefix("http://").partition(":")
        slow.connect((host, int(port)))
        line = f"GET /v1/stream?user_id=anna HTTP/1.1\r\nHost: x\r\n{header()}\r\n\r\n"
        slow.sendall(line.encode())
        page = Page(f"{api.url}/v1/stream", TOKEN, {"user_id": "anna"})
        assert page.segments() == ["vip"]
        deadline = time.monotonic() + 30
        long = [f"segment-{number}-{'x' * 100}" for number in range(2000)]
        number = 0
        while open_streams(api) == 2:
            assert time.monotonic() < deadline
            at = shop.change("anna", f"n-{number}", *long)
            while page.next().data["segments"][0] != f"n-{number}":
                pass
            assert time.monotonic() - at < SECONDS
            number += 1
        assert open_streams(api) == 1
        slow.close()
        page.close()


def header():
    return f"Authorization: {TOKEN['Authorization']}"


def open_streams(api):
    text = httpx.get(f"{api.url}/metrics").text
    return float(re.search(r"^sparkperso_serve_streams (.*)$", text, re.MULTILINE)[1])
