"""What is broken, hostile or slow gets a 4xx that names it, and the collector goes on."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sparkperso.testing.collector import LOCAL, running_collector

EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
TEXT = json.dumps(EVENT)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    lake = tmp_path_factory.mktemp("faults")
    with running_collector(lake, "--set", "collect.limits.body_seconds=1") as running:
        yield running


@pytest.fixture
def client(collector):
    """Gives a client, and sees afterwards that the collector still takes events, each on a line."""
    with httpx.Client(base_url=collector.url, auth=LOCAL, timeout=20) as client:
        yield client
        assert client.post("/v1/events", json=EVENT).json()["status"] == "accepted"
    assert all(isinstance(json.loads(line), dict) for line in collector.lines())


def refused(answer, *codes):
    """Says whether an answer is a problem of one of these codes, which tells what was expected."""
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"].removeprefix("urn:sparkperso:problem:") in codes, body
    assert len(body["detail"]) > 20
    assert body["detail"].isprintable()
    return body["detail"]


def event_with(text):
    """Returns an event with a JSON text in its metadata."""
    return (TEXT[:-1] + ', "metadata": ' + text + "}").encode("utf-8", "surrogatepass")


BROKEN = {
    "empty": b"",
    "blank": b" \n",
    "cut": TEXT[:-1].encode(),
    "comma": TEXT[:-1].encode() + b",}",
    "twice": (TEXT + TEXT).encode(),
    "single quotes": TEXT.replace('"', "'").encode(),
    "bare word": b"nul",
    "comment": b"{} // hi",
    "hexadecimal": event_with('{"a": 0x10}'),
    "leading zero": event_with('{"a": 012}'),
    "latin-1": event_with('{"a": "X"}').replace(b"X", b"\xfc"),
    "overlong": event_with('{"a": "X"}').replace(b"X", b"\xc0\xaf"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "zero byte": TEXT.encode() + b"\0",
    "zero byte in text": event_with('{"a": "X"}').replace(b"X", b"\0"),
    "line feed in text": event_with('{"a": "X"}').replace(b"X", b"\n"),
    "bad escape": event_with('{"a": "\\x41"}'),
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand objects": event_with('{"a":' * 100_000 + "1" + "}" * 100_000),
    "binary": bytes(range(256)) * 16,
}


REPAIRED = {
    "NaN": ('{"a": NaN}', {"a": None}),
    "Infinity": ('{"a": -Infinity}', {"a": None}),
    "half a pair, escaped": ('{"a": "\\ud800"}', {"a": "\ufffd"}),
    "half a pair, as bytes": ('{"a": "\ud800"}', {"a": "\ufffd"}),
    "__proto__": ('{"__proto__": {"a": 1}}', {"__proto__": {"a": 1}}),
    "constructor": ('{"constructor": {"prototype": 1}}', {"constructor": {"prototype": 1}}),
}
"""What a field of one event may be, and what is kept of it."""


@pytest.mark.parametrize(("text", "kept"), REPAIRED.values(), ids=REPAIRED)
def test_one_field_refuses_no_batch(client, collector, text, kept):
    batch = b'{"events": [' + TEXT.encode() + b", " + event_with(text) + b"]}"
    answer = client.post("/v1/events", content=batch, headers=JSON)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    assert json.loads(collector.lines()[-1])["metadata"] == kept


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_no_json_is_malformed(client, body):
    refused(client.post("/v1/events", content=body, headers=JSON), "malformed")


INVALID = {
    "number": b"5",
    "text": b'"text"',
    "null": b"null",
    "a list": b"[]",
    "no events": b'{"events": []}',
    "events are one": b'{"events": {}}',
    "huge number": event_with('{"a": 1e400}'),
    "nested too deeply": event_with('{"a":' * 100 + "1" + "}" * 100),
    "lists nested too deeply": event_with('{"a":' + "[" * 100 + "]" * 100 + "}"),
    "metadata is a list": event_with("[1]"),
    "__proto__ on top": TEXT[:-1].encode() + b', "__proto__": {"admin": true}}',
    "unknown field": TEXT[:-1].encode() + b', "admin": true}',
    "collected is ours": TEXT[:-1].encode() + b', "collected": {"basis": "assumed: all"}}',
}
FIELDS = [
    ("user_id", ""),
    ("user_id", "x" * 513),
    ("user_id", "u\n2026-01-01 ERROR forged"),
    ("user_id", "u\0"),
    ("user_id", "u\x1b[31m"),
    ("user_id", "u\u2028v"),
    ("user_id", "\u202eadmin"),
    ("user_id", ["u"]),
    ("user_id", True),
    ("event_type", "click\r\nERROR"),
    ("event_type", 7.5),
    ("event_id", {"$ne": 1}),
    ("timestamp", "yesterday"),
    ("timestamp", "2026-06-01T10:00:00"),
    ("timestamp", "2026-13-01T10:00:00Z"),
    ("timestamp", "0000-01-01T00:00:00Z"),
    ("timestamp", "9999-12-31T23:59:59-14:00"),
    ("timestamp", 10**20),
    ("timestamp", 20260601),
    ("timestamp", -1e300),
    ("timestamp", None),
    ("context", "web"),
]


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_json_that_is_no_event_is_invalid(client, body):
    refused(client.post("/v1/events", content=body, headers=JSON), "invalid", "malformed")


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_a_field_out_of_bounds_is_named(client, name, value):
    assert name in refused(client.post("/v1/events", json=EVENT | {name: value}), "invalid")


@pytest.mark.parametrize(
    "number", ["1" * 400, "-" + "9" * 40, "1e-400", "0." + "1" * 5000, "1e308"]
)
def test_a_number_is_kept_or_refused_never_a_failure(client, collector, number):
    answer = client.post("/v1/events", content=event_with(f'{{"a": {number}}}'), headers=JSON)
    assert answer.status_code in (200, 400, 422)
    assert b"Infinity" not in collector.lines()[-1]
    assert b"NaN" not in collector.lines()[-1]


def test_what_is_odd_but_sound_stays_on_one_line(client, collector):
    odd = {"a": "zero \0, line\r\nfeed, \u2028, \x7f \x1b[31m", "": {}, "ключ": "😀", "a.b": None}
    before = len(collector.lines())
    answer = client.post("/v1/events", json=EVENT | {"event_id": "odd", "metadata": odd})
    assert answer.json()["status"] == "accepted"
    assert len(collector.lines()) == before + 1
    assert json.loads(collector.lines()[-1])["metadata"] == odd


def test_of_two_equal_keys_the_last_counts_and_is_checked(client):
    twice = TEXT[:-1].encode() + b', "user_id": ""}'
    refused(client.post("/v1/events", content=twice, headers=JSON), "invalid")


@pytest.mark.parametrize(
    ("codes", "body", "headers"),
    [
        (("too_large",), b'"' + b"x" * 10_000_000 + b'"', JSON),
        (
            ("too_large",),
            gzip.compress(b" " * 300_000_000, 1, mtime=0),
            JSON | {"Content-Encoding": "gzip"},
        ),
        (("gzip",), b"not packed", JSON | {"Content-Encoding": "gzip"}),
        (
            ("gzip",),
            gzip.compress(TEXT.encode(), mtime=0)[:-9],
            JSON | {"Content-Encoding": "gzip"},
        ),
        (("encoding",), TEXT.encode(), JSON | {"Content-Encoding": "br"}),
        (("encoding",), TEXT.encode(), JSON | {"Content-Encoding": "gzip, gzip"}),
        (("media_type",), TEXT.encode(), {"Content-Type": "application/xml"}),
        (
            ("media_type",),
            TEXT.encode("utf-16"),
            {"Content-Type": "application/json; charset=utf-16"},
        ),
        (("media_type",), TEXT.encode(), {"Content-Type": "application/json; charset=latin-1"}),
        (("media_type",), TEXT.encode(), {"Content-Type": "multipart/form-data; boundary=x"}),
    ],
)
def test_sizes_packings_and_encodings_have_their_bounds(client, codes, body, headers):
    refused(client.post("/v1/events", content=body, headers=headers), *codes)


def test_a_body_that_goes_on_after_its_refusal_has_no_second_answer(collector):
    """The client would take it for the answer to its next request."""
    token = base64.b64encode(b":".join(part.encode() for part in LOCAL))
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Authorization: Basic " + token + b"\r\n"
    port = httpx.URL(collector.url).port
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head + b"Content-Length: 10000000\r\n\r\n")
            answer = connection.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 413")
            with suppress(ConnectionError):
                for _ in range(100):
                    connection.sendall(b" " * 100_000)
            with suppress(ConnectionError):
                while piece := connection.recv(10_000):
                    answer += piece
        assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://localhost.evil.example:80",
        "http://localhost:3000.evil.example",
        "http://localhost:",
        "http://localhost:30\u0661",
        "https://localhost:3000",
        "http://user@localhost:3000",
        "HTTP://LOCALHOST:3000/",
    ],
)
def test_pages_of_other_origins_may_not_send(client, origin):
    answer = client.post("/v1/events", json=EVENT, headers={"Origin": origin.encode()})
    refused(answer, "origin")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "value",
    [
        b"Basic",
        b"Basic !!!!",
        b"Basic /////w==",
        b"Bearer",
        b"Digest x",
        b"Basic " + b"A" * 20_000,
    ],
)
def test_keys_that_are_none_are_unknown(client, value):
    answer = client.post("/v1/events", json=EVENT, auth=None, headers={"Authorization": value})
    refused(answer, "unknown_key")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/events"),
        ("DELETE", "/v1/events"),
        ("POST", "/v1/events/"),
        ("GET", "/sdk/%2e%2e/%2e%2e/etc/passwd"),
        ("GET", "/%00"),
        ("GET", "/v1/%0d%0aSet-Cookie:%20a=b"),
    ],
)
def test_other_ways_lead_nowhere(client, method, path):
    answer = client.request(method, path)
    refused(answer, "no_route")
    assert "set-cookie" not in answer.headers


def talk(collector, *parts, pause=0.0, wait=5.0):
    """Sends raw bytes and returns all that comes back, until the end or `wait` seconds."""
    port = int(collector.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as peer:
        answer = b""
        try:
            for part in parts:
                peer.sendall(part)
                time.sleep(pause)
            while chunk := peer.recv(65_536):
                answer += chunk
                if b"\r\n\r\n" in answer and b"100 Continue" not in answer:
                    break
        except (TimeoutError, ConnectionError):
            pass
    return answer


HEAD = b"POST /v1/events?writeKey=local-dev-key HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"\0" * 100_000,
    ],
)
def test_what_is_no_http_is_refused(client, collector, request_bytes):
    answer = talk(collector, request_bytes)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("filler", [b"a: " + b"a" * 8_000 + b"\r\n", b"a" * 8_000])
def test_headers_without_end_are_ended(client, collector, filler):
    port = int(collector.url.rpartition(":")[2])
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as peer, suppress(ConnectionError):
        peer.sendall(HEAD)
        while sent < 50_000_000:
            sent += peer.send(filler)
    assert sent < 10_000_000


def test_slow_clients_keep_nobody_waiting(client, collector):
    """Three hundred connections that never end their head, and more that never end their body."""
    port = int(collector.url.rpartition(":")[2])
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    for number, peer in enumerate(peers):
        peer.sendall(HEAD + (b"Content-Length: 100\r\n\r\n{" if number % 2 else b"X-Slow: "))
    started = time.monotonic()
    for _ in range(20):
        assert client.post("/v1/events", json=EVENT).status_code == 200
    assert time.monotonic() - started < 5
    peers[1].settimeout(5)
    assert peers[1].recv(100).startswith(b"HTTP/1.1 408")
    for peer in peers:
        peer.close()


def test_clients_that_hang_up_leave_nothing(client, collector):
    before = len(collector.lines())
    for cut in (10, len(HEAD), len(HEAD) + 20):
        talk(collector, (HEAD + b"Content-Length: 100\r\n\r\n" + TEXT.encode())[:cut], wait=0.1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: talk(collector, HEAD, wait=0.01), range(50)))
    assert len(collector.lines()) == before


def test_a_stream_answers_garbage_and_goes_on(client, collector):
    address = f"{collector.url.replace('http', 'ws')}/v1/stream?writeKey=local-dev-key"
    with connect(address) as stream:
        for garbage in ("", "{", b"\xff\xfe\0", "[" * 50_000, '{"id": 1, "events": 7}', "null"):
            stream.send(garbage)
            assert 400 <= json.loads(stream.recv(5))["problem"]["status"] < 500
        stream.send(json.dumps({"id": "last", "events": [EVENT]}))
        assert json.loads(stream.recv(5))["results"][0]["status"] == "accepted"
    with connect(address, max_size=None) as stream:
        stream.send("x" * 10_000_000)
        with pytest.raises(ConnectionClosed, match="1009"):
            stream.recv(5)


def test_no_line_of_the_log_is_a_clients(tmp_path, capfd):
    with running_collector(tmp_path) as collector:
        with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
            forged = "x\nERROR forged\r\nERROR forged"
            for body in (EVENT | {"user_id": forged}, EVENT | {"event_type": forged}, {forged: 1}):
                assert client.post("/v1/events", json=body).status_code == 422
            client.post("/v1/events", content=forged.encode(), headers=JSON)
            client.get("/%0aERROR%20forged", headers={"User-Agent": "%0aERROR forged"})
            client.post("/v1/events", json=EVENT, auth=(forged, ""))
            assert client.get("/metrics").text.count("forged") == 0
        collector.end()
    logged = capfd.readouterr()
    assert not [line for line in logged.err.splitlines() if line.startswith("ERROR forged")]
    assert "Traceback" not in logged.err


def test_a_connection_too_many_is_told_to_come_again(tmp_path):
    with running_collector(tmp_path, "--set", "collect.limits.max_connections=3") as collector:
        port = int(collector.url.rpartition(":")[2])
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
            for peer in peers:
                peer.sendall(HEAD + b"Content-Length: 9\r\n\r\n")
            answer = client.post("/v1/events", json=EVENT)
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:sparkperso:problem:busy"
            assert int(answer.headers["retry-after"]) >= 1
            peers.pop().close()
            time.sleep(0.2)
            assert client.post("/v1/events", json=EVENT).status_code == 200
        for peer in peers:
            peer.close()


ODD = [
    *BROKEN.values(),
    *INVALID.values(),
    *(json.dumps(EVENT | {name: value}).encode() for name, value in FIELDS),
    *(
        json.dumps({"user_id": "u", "type": "track", "event": "e", name: value}).encode()
        for name in ("purposes", "policy_version", "region", "method", "type", "event", "batch")
        for value in (None, 5, True, [], {}, "x\n", "x" * 9999, [[]], {"a": [5]}, {"__proto__": 1})
    ),
    b'{"user_id": "u", "purposes": {"analytics": "yes"}}',
    b'{"userId": 5, "event": {}, "properties": [], "context": 7, "timestamp": {}}',
    b'{"batch": [5, null, {}, {"type": 7}, {"type": "track", "userId": ["u"]}]}',
    b'{"writeKey": {"a": 1}}',
]
QUERIES = [
    "?",
    "?user_id=%00",
    "?user_id=%ff%fe",
    "?t=" + "a" * 5000,
    "?region=%0a",
    "?after=-1",
    "?a=1&a=2",
]


def routes(client, method):
    return [
        path for path, ways in client.get("/openapi.json").json()["paths"].items() if method in ways
    ]


def test_no_route_fails_whatever_is_sent_to_it(client):
    paths = routes(client, "post")
    assert {"/v1/events", "/v1/consent", "/v1/visit"} <= set(paths)
    answers = [client.post(path, content=body, headers=JSON) for path in paths for body in ODD]
    answers += [client.get(path + q) for path in routes(client, "get") for q in QUERIES]
    failed = [
        f"{a.request.url} {a.request.content[:80]!r} {a.status_code}"
        for a in answers
        if a.status_code >= 500
    ]
    assert failed == []
    assert all(is_problem(a) for a in answers if a.status_code >= 400)


def is_problem(answer):
    return answer.headers["content-type"] == "application/problem+json" and answer.json()["detail"]
