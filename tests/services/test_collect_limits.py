"""What one client may hold of a real collector, on whatever path: places, time, memory, headers."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sparkperso.testing.collector import LOCAL, basic, running_collector

EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
KEY = b"Authorization: Bearer local-dev-key\r\n"
POST = b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY = json.dumps(EVENT).encode()
UPGRADE = (
    b"GET /v1/stream?writeKey=local-dev-key HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
)
HAND = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
TIGHT = {
    "body_seconds": 0.4,
    "idle_seconds": 0.8,
    "stream_idle_seconds": 1.0,
    "max_connections": 40,
    "max_streams": 12,
    "max_streams_per_address": 4,
    "max_body_bytes": 4096,
    "events_per_second_and_address": 10,
}
LONGEST = 4.0
"""Seconds in which all that is refused should be gone; the machine may be busy."""


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    options = [f"collect.limits.{name}={value}" for name, value in TIGHT.items()]
    options.append("collect.public_url=http://shop.example:8080")
    sets = [word for option in options for word in ("--set", option)]
    with running_collector(tmp_path_factory.mktemp("limits"), "--demo", *sets) as running:
        yield running


@pytest.fixture
def client(collector):
    with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
        yield client


@pytest.fixture
def peer(collector):
    """Returns open(), which opens a bare connection; all end with the test."""
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", int(collector.url.rpartition(":")[2]))
        yield lambda: stack.enter_context(socket.create_connection(address, timeout=LONGEST))


def answer_of(one):
    """Returns status, head (in lower case) and body of an answer."""
    text = b""
    while not (found := re.match(rb"(?si)HTTP/1.1 (\d+).*?content-length: (\d+).*?\r\n\r\n", text)):
        text += one.recv(65_536) or pytest.fail(f"no answer: {text}")
    while len(text) < found.end() + int(found[2]):
        text += one.recv(65_536) or pytest.fail(f"no body: {text}")
    return int(found[1]), found[0].lower(), text[found.end() :]


def seconds_until_ended(one, piece, pause=0.1):
    """Sends a piece again and again; returns how long the other side took that."""
    start = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - start < LONGEST:
            one.sendall(piece)
            one.settimeout(pause)
            with contextlib.suppress(TimeoutError):
                if one.recv(65_536) == b"":
                    break
    return time.monotonic() - start


EARLY = {
    "404": b"POST /nowhere HTTP/1.1\r\nHost: x\r\n",
    "401": b"POST /v1/visit HTTP/1.1\r\nHost: x\r\n",
    "405": b"POST /healthz HTTP/1.1\r\nHost: x\r\n",
    "204": b"OPTIONS /v1/events HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\n",
    "200": b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    "302": b"GET / HTTP/1.1\r\nHost: x\r\n",
}


@pytest.mark.parametrize("length", [b"Content-Length: 4000\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("start", list(EARLY.values()), ids=list(EARLY))
def test_a_body_that_is_dribbled_is_cut_whether_answered_or_not(peer, start, length):
    one = peer()
    one.sendall(start + length + b"\r\n")
    piece = b"x" if b"Length" in length else b"1\r\nx\r\n"
    assert seconds_until_ended(one, piece) < LONGEST


def test_a_body_too_large_is_answered_and_its_rest_is_cut(peer):
    one = peer()
    one.sendall(POST + KEY + b"Content-Length: 99999999\r\n\r\n")
    assert answer_of(one)[0] == 413
    assert seconds_until_ended(one, b"x") < LONGEST


def test_a_body_that_comes_after_its_answer_leaves_the_connection_of_use(peer):
    one = peer()
    one.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
    assert answer_of(one)[0] == 404
    one.sendall(b"rest" + POST + KEY + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
    assert answer_of(one)[0] == 200


@pytest.mark.parametrize("piece", [b"", b"\r\n", b"G"])
def test_a_connection_without_requests_is_not_kept(peer, piece):
    fresh, used = peer(), peer()
    used.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer_of(used)[0] == 200
    assert seconds_until_ended(fresh, piece) < LONGEST
    assert seconds_until_ended(used, piece) < LONGEST


ENDLESS = {
    "a chunk's extension": b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 60_000,
    "chunks of one byte": b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000,
    "a trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"x" * 60_000,
    "trailers": b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 10_000,
}


@pytest.mark.parametrize("start", list(ENDLESS.values()), ids=list(ENDLESS))
def test_what_is_no_body_ends_too(peer, start):
    one = peer()
    one.sendall(POST + KEY + start)
    piece = b"1\r\nx\r\n" * 100 if b"1\r\nx" in start else b"x: y\r\n" * 100
    assert seconds_until_ended(one, piece if b"y\r\n" in start else b"x" * 100) < LONGEST


def test_headers_are_counted(peer):
    one = peer()
    one.sendall(POST + KEY + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n")
    status, head, body = answer_of(one)
    assert (status, b"connection: close" in head) == (431, True)
    assert b"128 headers" in body


def test_requests_in_one_piece_are_answered_in_order(peer):
    one = peer()
    lengths = b"Content-Length: %d\r\n\r\n" % len(BODY)
    one.sendall((POST + KEY + lengths + BODY) * 5 + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
    found = b""
    while found.count(b"HTTP/1.1") < 6 or not found.endswith(b"}"):
        found += one.recv(65_536)
    assert [part[:3] for part in found.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 5 + [b"404"]


@pytest.mark.parametrize("count", [200, 20_000])
def test_who_does_not_read_the_answers_is_cut_off(peer, count):
    one = peer()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    start = time.monotonic()
    with contextlib.suppress(ConnectionError):
        one.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * count)
        while time.monotonic() - start < LONGEST:
            one.sendall(b"\r\n")
            time.sleep(0.05)
    assert time.monotonic() - start < LONGEST


TRAILERS = [
    b"Authorization: Bearer local-server-key",
    b"Origin: https://evil.example",
    b"Sec-GPC: 1",
    b"Cookie: sp_anon=a-0123456789abcdef0123456789abcdef",
    b"Content-Encoding: gzip",
    b"X-Forwarded-For: 203.0.113.200",
]


@pytest.mark.parametrize("trailer", TRAILERS, ids=lambda text: text.partition(b":")[0].decode())
def test_trailers_are_no_headers(collector, peer, trailer):
    name = f"trailer-{trailer.partition(b':')[0].decode()}"
    body = json.dumps(EVENT | {"event_id": name, "context": {"country": "US"}}).encode()
    one = peer()
    one.sendall(POST + KEY + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
    one.sendall(b"0\r\n" + trailer + b"\r\n\r\n")
    assert answer_of(one)[0] == 200
    (line,) = [line for line in map(json.loads, collector.lines()) if line["event_id"] == name]
    assert (line["collected"]["opted_out"], "anonymous_id" in line) == (False, False)
    one = peer()
    one.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
    one.sendall(b"0\r\n" + KEY + b"\r\n")
    assert answer_of(one)[0] == 401


TWICE = {
    "key": (401, [b"Authorization: Bearer local-dev-key", b"Authorization: Bearer other"]),
    "origin": (403, [b"Origin: http://localhost:1", b"Origin: https://evil.example"]),
    "type": (415, [b"Content-Type: application/json", b"Content-Type: text/html"]),
    "encoding": (415, [b"Content-Encoding: identity", b"Content-Encoding: gzip"]),
    "length": (400, [b"Content-Length: 5", b"Content-Length: 6"]),
    "both lengths": (400, [b"Content-Length: 5", b"Transfer-Encoding: chunked"]),
}


@pytest.mark.parametrize("case", list(TWICE.values()), ids=list(TWICE))
@pytest.mark.parametrize("step", [1, -1])
def test_of_a_header_that_comes_twice_neither_is_believed(peer, case, step):
    status, lines = case
    text = b"\r\n".join(lines[::step]) + b"\r\n"
    whole = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n" + text
    for name, line in ((b"Auth", KEY), (b"-Type", b"Content-Type: application/json\r\n")):
        whole += line if name not in text else b""
    whole += b"" if b"Length" in text else b"Content-Length: %d\r\n" % len(BODY)
    one = peer()
    one.sendall(whole + b"\r\n" + BODY)
    assert answer_of(one)[0] == status


def stream(collector, sender=None, **options):
    address = f"{collector.url.replace('http', 'ws')}/v1/stream?writeKey=local-dev-key"
    headers = {"X-Forwarded-For": sender} if sender else {}
    return connect(address, additional_headers=headers, **options)


def test_streams_leave_places_to_others_and_an_address_has_its_share(collector, client):
    with contextlib.ExitStack() as stack:

        def opened(senders):
            count = 0
            for sender in senders:
                with contextlib.suppress(InvalidStatus):
                    stack.enter_context(stream(collector, sender))
                    count += 1
            return count

        assert opened(["203.0.113.1"] * 8) == TIGHT["max_streams_per_address"]
        with pytest.raises(InvalidStatus) as crowded:
            stream(collector, "203.0.113.1")
        assert crowded.value.response.status_code == 429
        assert opened([f"203.0.113.{n}" for n in range(2, 30)]) == TIGHT["max_streams"] - 4
        with pytest.raises(InvalidStatus) as full:
            stream(collector)
        assert full.value.response.status_code == 503
        assert json.loads(full.value.response.body)["type"] == "urn:sparkperso:problem:busy"
        assert client.post("/v1/events", json=EVENT).status_code == 200
    time.sleep(0.3)
    with stream(collector, "203.0.113.1") as again:
        again.send(json.dumps(EVENT))
        assert json.loads(again.recv(timeout=5))["results"][0]["status"] == "accepted"


def test_a_stream_that_is_silent_is_ended_and_one_that_speaks_is_not(collector):
    with stream(collector) as silent, stream(collector) as busy:
        for _ in range(6):
            time.sleep(0.35)
            busy.send(json.dumps(EVENT))
            assert "results" in json.loads(busy.recv(timeout=5))
        with pytest.raises(ConnectionClosed) as ended:
            silent.recv(timeout=5)
        assert (ended.value.rcvd.code, "silent" in ended.value.rcvd.reason) == (1001, True)


UNFINISHED = {
    "no key": UPGRADE,
    "half a frame": UPGRADE + HAND + b"\r\n\x81\xfe\x0f",
    "half a message": UPGRADE + HAND + b"\r\n\x01\x81\0\0\0\0x",
    "a long header": UPGRADE + HAND + b"X: " + b"x" * 9000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("start", list(UNFINISHED.values()), ids=list(UNFINISHED))
def test_a_stream_that_never_says_anything_whole_is_ended(peer, start):
    one = peer()
    one.sendall(start)
    piece = b"X: y\r\n" if start == UPGRADE else b"\x89\x80\0\0\0\0"
    assert seconds_until_ended(one, piece if b"x" * 9000 not in start else b"") < LONGEST


def test_pings_whose_answers_nobody_reads_do_not_fill_the_memory(peer):
    one = peer()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.sendall(UPGRADE + HAND + b"\r\n")
    ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
    start = time.monotonic()
    one.settimeout(0.2)
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - start < 2 * LONGEST:
            with contextlib.suppress(TimeoutError):
                one.sendall(ping * 2000)
    assert time.monotonic() - start < 2 * LONGEST


def test_one_address_that_sends_too_much_stops_no_other(client):
    def post(sender, **fields):
        headers = {"X-Forwarded-For": sender}
        return client.post("/v1/events", json={"events": [{}, EVENT | fields]}, headers=headers)

    assert post("203.0.113.50").status_code == 200
    # A slow machine refills some of the bucket meanwhile: it takes more then to empty it.
    assert any(post("203.0.113.50").status_code == 429 for _ in range(400))
    assert post("203.0.113.51").status_code == 200
    no = {"purposes": {"analytics": False}, "user_id": "u-limits", "writeKey": "local-dev-key"}
    headers = {"X-Forwarded-For": "203.0.113.50"}
    assert client.post("/v1/consent", json=no, headers=headers).status_code == 200
    answers = (client.post("/v1/consent", json=no, headers=headers) for _ in range(1000))
    assert any(answer.status_code == 429 for answer in answers)


def test_one_address_has_its_share_of_connections(tmp_path):
    options = ["collect.trusted_proxies=[]", "collect.limits.max_connections_per_address=5"]
    sets = [word for option in options for word in ("--set", option)]
    with running_collector(tmp_path, *sets) as collector, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", int(collector.url.rpartition(":")[2]))
        time.sleep(0.2)
        held = [stack.enter_context(socket.create_connection(address)) for _ in range(5)]
        one = stack.enter_context(socket.create_connection(address, timeout=LONGEST))
        status, head, _ = answer_of(one)
        assert (status, b"retry-after" in head) == (429, True)
        held[0].sendall(UPGRADE + HAND + b"\r\n")
        assert held[0].recv(4096).startswith(b"HTTP/1.1 101")
        for other in held:
            other.close()
        time.sleep(0.3)
        assert httpx.post(f"{collector.url}/v1/events", json=EVENT, auth=LOCAL).status_code == 200


def test_a_handshake_that_is_refused_is_no_error_in_the_log(tmp_path, capfd):
    with running_collector(tmp_path) as collector:
        base = collector.url.replace("http", "ws")
        for path, origin in (
            ("/v1/stream?writeKey=wrong", None),
            ("/v1/stream?writeKey=local-dev-key", "https://evil.example"),
            ("/v1/nowhere", None),
            ("/v1/events", None),
        ):
            with pytest.raises(InvalidStatus):
                connect(base + path, origin=origin)
        address = ("127.0.0.1", int(collector.url.rpartition(":")[2]))
        for text in (UPGRADE, UPGRADE.replace(b"websocket", b"h2c"), UNFINISHED["a long header"]):
            with socket.create_connection(address, timeout=LONGEST) as one:
                one.sendall(text + b"\r\n")
                assert answer_of(one)[0] in (400, 404)
        collector.end()
    logged = capfd.readouterr().err
    assert '"level"' not in logged, logged
    assert "Traceback" not in logged


HOSTS = {
    "127.0.0.1": 200, "localhost:8080": 200, "[::1]:8080": 200, "192.168.7.7": 200,
    "shop.example": 200, "SHOP.example:8080": 200, "evil.example": 421, "evil.example:8080": 421,
    "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "": 421, "shop.example.": 421,
}  # fmt: skip


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
@pytest.mark.parametrize("path", ["/demo/api/feed", "/demo/api/recordings"])
def test_the_demo_shows_what_it_received_under_its_own_names_alone(client, path, host, status):
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == status
    assert ("lines" in answer.text or "recordings" in answer.text) == (status == 200)


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/click?t=WyJ1LTE3Iiwi", 403, "not complete"),
        ("/v1/click", 403, "not complete"),
        ("/v1/click?t=3Da&t=b", 403, "not complete"),
        ("/v1/clic", 404, "no such page"),
        ("/v1/click%3Ft=<script>alert(1)</script>", 404, "no such page"),
    ],
)
def test_a_mangled_link_leads_to_a_page_to_read(client, path, status, words):
    answer = client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "text/html; charset=utf-8",
    )
    assert words in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    machine = client.get(path)
    assert machine.headers["content-type"] == "application/problem+json"


def test_keys_of_servers_are_not_counted_by_address(client):
    headers = {"X-Forwarded-For": "203.0.113.60"}
    events = {"events": [EVENT] * 30}
    for _ in range(5):
        answer = client.post(
            "/v1/events", json=events, headers=headers, auth=basic("local-server-key")
        )
        assert answer.status_code == 200
