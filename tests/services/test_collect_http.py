"""The collector as a process: what it answers, what it keeps, how it ends."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sparkperso.testing.cluster import free_port
from sparkperso.testing.collector import LOCAL, running_collector

EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
OTHER_ORIGIN = {"Origin": "https://evil.example"}
OUR_ORIGIN = {"Origin": "http://localhost:3000"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    lake = tmp_path_factory.mktemp("collector")
    with running_collector(lake, "--set", "collect.limits.body_seconds=0.5") as running:
        yield running


@pytest.fixture
def client(collector):
    with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
        yield client


def post(client, body, **options):
    return client.post("/v1/events", json=body, **options)


def kept(collector, event_id):
    return [line for line in map(json.loads, collector.lines()) if line["event_id"] == event_id]


def test_it_is_up_in_under_two_seconds_without_spark(collector, tmp_path):
    def processor_seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = processor_seconds()
    with running_collector(tmp_path) as again:
        again.end()
    # On a machine with other work a second lasts longer than one of the processor.
    assert min(collector.started_in, processor_seconds() - before) < 2.0
    heavy = "{'pyspark', 'mlflow', 'pandas'}"
    module = "sparkperso.services.collect.server"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_an_accepted_event_is_in_the_spool_when_it_is_answered(collector, client):
    answer = post(client, EVENT | {"event_id": "first", "metadata": {"a": "b\nc"}})
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted", "event_id": "first"})
    (line,) = kept(collector, "first")
    assert line["metadata"] == {"a": "b\nc"}
    assert line["timestamp"] == "2026-06-01T10:00:00.000000Z"
    assert line["channel"] == "web"
    assert line["collected"]["basis"] == "assumed: development"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", line["collected"]["received_at"])


def test_the_same_event_sent_again_has_the_same_id(client):
    first, again = post(client, EVENT).json(), post(client, EVENT).json()
    other = post(client, EVENT | {"item_id": "1"}).json()
    assert first["event_id"] == again["event_id"] != other["event_id"]


def test_a_batch_says_what_became_of_each_event(collector, client):
    events = [EVENT | {"event_id": "batch-1"}, {"event_type": "click"}, 5]
    answer = post(client, {"events": events})
    assert answer.status_code == 200
    body = answer.json()
    assert [result["status"] for result in body["results"]] == ["accepted", "invalid", "invalid"]
    assert (body["accepted"], body["invalid"], body["refused"]) == (1, 2, 0)
    assert len(kept(collector, "batch-1")) == 1


@pytest.mark.parametrize(
    ("status", "code", "options"),
    [
        (400, "malformed", {"content": b"{"}),
        (401, "unknown_key", {"json": EVENT, "auth": ("wrong", "")}),
        (403, "origin", {"json": EVENT, "headers": OTHER_ORIGIN}),
        (413, "too_large", {"content": b" " * 1_100_000}),
        (413, "too_many_events", {"json": {"events": [EVENT] * 501}}),
        (415, "media_type", {"content": b"{}", "headers": {"Content-Type": "text/html"}}),
        (422, "invalid", {"json": {"events": [{}]}}),
        (422, "invalid", {"json": EVENT | {"event_type": None}}),
        (422, "invalid", {"json": [EVENT]}),
        (422, "invalid", {"json": {"events": [EVENT], "user_id": "x"}}),
        (422, "invalid", {"json": EVENT | {"metadata": {"text": "x" * 70_000}}}),
    ],
)
def test_what_cannot_be_taken_is_a_problem_with_a_name(client, status, code, options):
    answer = client.post("/v1/events", **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:sparkperso:problem:{code}"
    assert (body["status"], len(body["detail"]) > 20) == (status, True)


@pytest.mark.parametrize(
    "options",
    [
        {"auth": None, "headers": {"Authorization": "Bearer local-dev-key"}},
        {"auth": None, "params": {"writeKey": "local-dev-key"}},
    ],
)
def test_the_key_may_come_in_other_ways(client, options):
    assert post(client, EVENT, **options).status_code == 200


def test_the_key_may_come_in_the_body_of_a_beacon(client):
    text = json.dumps({"events": [EVENT], "writeKey": "local-dev-key"})
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    assert client.post("/v1/events", content=text, headers=headers, auth=None).status_code == 200


def test_pages_of_the_sites_origins_may_send_and_read(client):
    preflight = client.options("/v1/events", headers=OUR_ORIGIN, auth=None)
    assert preflight.status_code == 204
    for answer in (preflight, post(client, EVENT, headers=OUR_ORIGIN)):
        assert answer.headers["access-control-allow-origin"] == OUR_ORIGIN["Origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
    foreign = client.options("/v1/events", headers=OTHER_ORIGIN, auth=None)
    assert "access-control-allow-origin" not in foreign.headers


def test_what_watches_it_needs_no_key(client):
    for path in ("/healthz", "/readyz"):
        assert client.get(path, auth=None).status_code == 200
    post(client, EVENT | {"event_type": "never heard of\u2028"})
    post(client, EVENT)
    text = client.get("/metrics", auth=None).text
    assert 'event_type="click"' in text
    assert 'event_type="other"' in text
    paths = client.get("/openapi.json", auth=None).json()["paths"]
    assert {"/v1/events", "/v1/visit", "/healthz"} <= paths.keys()
    assert client.get("/nowhere").json()["type"] == "urn:sparkperso:problem:no_route"
    assert client.get("/v1/events").status_code == 405


def test_a_visit_is_counted_and_nothing_of_it_is_kept(collector, client):
    before = len(collector.lines())
    answer = client.post("/v1/visit", headers=OUR_ORIGIN)
    assert (answer.status_code, "set-cookie" in answer.headers) == (204, False)
    assert len(collector.lines()) == before
    assert "sparkperso_collect_visits_total" in client.get("/metrics").text


def stream(collector, key="local-dev-key", **options):
    address = f"{collector.url.replace('http', 'ws')}/v1/stream?writeKey={key}"
    return connect(address, **options)


def test_every_message_of_a_stream_is_acknowledged(collector):
    with stream(collector, origin=OUR_ORIGIN["Origin"]) as socket:
        for number in range(3):
            socket.send(json.dumps({"id": number, "events": [EVENT | {"event_id": f"ws{number}"}]}))
        answers = [json.loads(socket.recv(timeout=5)) for _ in range(3)]
        assert [answer["id"] for answer in answers] == [0, 1, 2]
        assert all(len(kept(collector, f"ws{number}")) == 1 for number in range(3))
        socket.send("{")
        assert json.loads(socket.recv(timeout=5))["problem"]["status"] == 400
        socket.send(json.dumps(EVENT))
        assert json.loads(socket.recv(timeout=5))["results"][0]["status"] == "accepted"


@pytest.mark.parametrize(
    ("status", "options"), [(403, {"origin": "https://evil.example"}), (401, {"key": "wrong"})]
)
def test_a_stream_of_another_origin_or_key_is_not_opened(collector, status, options):
    with pytest.raises(InvalidStatus) as refusal:
        stream(collector, **options)
    assert refusal.value.response.status_code == status


def test_a_body_that_does_not_come_is_ended(collector, client):
    def slowly():
        yield b'{"user_id"'
        time.sleep(3)
        yield b": 1}"

    answer = client.post(
        "/v1/events", content=slowly(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 408
    assert post(client, EVENT).status_code == 200


@pytest.mark.parametrize("start", [b"", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow"])
def test_a_connection_whose_headers_do_not_come_is_ended(collector, client, start):
    host, port = collector.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as slow:
        slow.sendall(start)
        assert slow.recv(1) == b""
    assert post(client, EVENT).status_code == 200


def test_more_events_than_agreed_are_told_to_wait(tmp_path):
    with running_collector(tmp_path, "--set", "collect.limits.events_per_second=5") as collector:
        with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
            codes = [post(client, {"events": [EVENT] * 6}) for _ in range(3)]
        assert [answer.status_code for answer in codes] == [200, 200, 429]
        assert int(codes[-1].headers["retry-after"]) >= 1
        assert len(collector.lines()) == 12


def send_until_refused(url, sender):
    """Returns the ids of events that were acknowledged until the collector was gone."""
    acknowledged, number = [], 0
    with httpx.Client(base_url=url, auth=LOCAL) as client:
        try:
            while True:
                names = [f"{sender}-{number}-{k}" for k in range(5)]
                number += 1
                answer = post(client, {"events": [EVENT | {"event_id": name} for name in names]})
                acknowledged += names if answer.status_code == 200 else []
        except httpx.TransportError:
            return acknowledged


@pytest.mark.parametrize("ending", ["end", "kill"])
def test_all_that_was_acknowledged_is_kept_however_it_ends(tmp_path, ending):
    with running_collector(tmp_path) as collector, ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send_until_refused, collector.url, name) for name in "abcd"]
        time.sleep(0.7)
        getattr(collector, ending)()
        acknowledged = {name for sender in senders for name in sender.result()}
    assert len(acknowledged) > 50
    if ending == "end":
        assert collector.process.returncode == 0
        assert not list((collector.spool / "open").iterdir())
    with running_collector(tmp_path) as successor:
        successor.end()
    lines = [json.loads(line)["event_id"] for line in successor.lines()]
    assert len(lines) == len(set(lines))
    assert acknowledged <= set(lines)
    assert not list((collector.spool / "open").iterdir())


def test_a_port_that_is_taken_and_an_unsafe_key_are_named(tmp_path, collector):
    def run(*options):
        line = [
            sys.executable,
            "-m",
            "sparkperso.cli.main",
            "collect",
            "--lake",
            str(tmp_path),
            *options,
        ]
        environ = {**os.environ, "SHOP_KEY": "short"}
        done = subprocess.run(line, capture_output=True, text=True, check=False, env=environ)
        return done.returncode, done.stderr

    port = collector.url.rpartition(":")[2]
    status, message = run("--port", port)
    assert (status, "--port" in message) == (2, True)
    fresh = str(free_port())
    status, message = run(
        *("--env", "cluster", "--port", fresh),
        *("--set", "collect.sites.shop.write_key=written-into-the-configuration"),
        *("--set", f"collect.spool.path={tmp_path}"),
    )
    assert (status, "write_key_env" in message) == (2, True)
    status, message = run("--port", fresh, "--set", "collect.sites.shop.write_key_env=SHOP_KEY")
    assert (status, "SHOP_KEY" in message) == (2, True)
