"""Triggers as processes: whatever dies, each change is told at least once, under one id."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.redis_server import redis_server  # noqa: F401
from tests.triggers import OLD_SECRET, SECRET, Shop, stub_of
from tests.web_stub import WebStub

from sparkperso.cli.main import run_cli
from sparkperso.services.triggers.queue import Queue
from sparkperso.testing.cluster import free_port

ROOT = Path(__file__).parents[2]
JUDGE = ROOT / ".tools" / "judges" / "bin" / "python"
CHECK = """
import json, sys
from standardwebhooks.webhooks import Webhook
secret, headers, body = json.load(sys.stdin)
print(json.dumps(Webhook(secret).verify(body, headers)))
"""


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    made.settings_of(serving="assumed: contract", poll_seconds=0.05, wait_seconds=0.05)
    made.history()
    return made


@contextmanager
def running(shop, *words, says=None):
    """A process of the command, once it has said a word."""
    words = words or ("triggers", "run")
    line = [sys.executable, "-m", "sparkperso", *words, *shop.arguments]
    process = subprocess.Popen(
        line,
        env=shop.process_environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.said = []

    def read():
        process.said.extend(process.stdout)

    process.said.append(process.stdout.readline())
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        if says:
            until(lambda: any(says in one for one in process.said))
        yield process
    finally:
        process.kill()
        process.wait()
        reader.join()


def until(is_so, seconds=30):
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)
    return found


@pytest.fixture
def ask(shop, monkeypatch, capsys):
    """Returns ask(words): output and exit status of a command, in this process."""
    for name, value in shop.environ.items():
        monkeypatch.setenv(name, value)

    def call(*words):
        status = run_cli(["triggers", *words, *shop.arguments])
        said = capsys.readouterr()
        return said.out + said.err, status

    return call


def until_a_letter_is_written(shop, ask):
    """Returns once a dead letter of `a` is in the table alone: before, it cannot be replayed."""
    until(lambda: "a msg_" in ask("dead-letters")[0])
    with closing(Queue(shop.lake / "_triggers")) as queue:
        until(lambda: not queue.count())


def told(stub):
    """(user, type) of each request, in their order."""
    bodies = [json.loads(request.body) for request in stub.requests]
    return [(one["data"].get("user_id"), one["type"]) for one in bodies]


@pytest.mark.slow
def test_whatever_dies_each_change_is_told_at_least_once_under_one_id_and_in_order(shop):
    chance = random.Random(7)

    def answer(request):
        time.sleep(chance.random() * 0.05)
        return chance.choice([200, 200, 200, 500]), {}, b""

    def changes(n):
        for _ in range(n):
            user = f"u{chance.randrange(6)}"
            shop.change((user, "people-new", chance.choice(["entered", "left"])))
            expected[user].append(f"2026-06-01T00:{shop.n // 60:02}:{shop.n % 60:02}.000000Z")

    expected = defaultdict(list)
    with WebStub(answer) as stub:
        shop.trigger("a", stub.url, attempts=50)
        with running(shop) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        for _ in range(4):
            with running(shop) as process:
                changes(8)
                time.sleep(chance.random() * 0.4)
                process.send_signal(signal.SIGKILL)
            changes(2)
        with running(shop):
            until(lambda: len({one.headers["webhook-id"] for one in stub.requests}) == shop.n)
            time.sleep(0.5)
    first, ids, bodies = defaultdict(list), defaultdict(set), defaultdict(set)
    for request in stub.requests:
        body = json.loads(request.body)
        key = (body["data"]["user_id"], body["timestamp"])
        if key not in ids:
            first[key[0]].append(key[1])
        ids[key].add(request.headers["webhook-id"])
        bodies[request.headers["webhook-id"]].add(request.body)
    assert first == expected
    assert {len(found) for found in (*ids.values(), *bodies.values())} == {1}


def test_killed_between_delivery_and_its_note_it_sends_the_same_id_again(shop):
    def answer(request):
        if len(stub.requests) == 1:
            stub.released.wait(20)
        return 200, {}, b""

    with WebStub(answer) as stub:
        shop.trigger("a", stub.url)
        with running(shop) as process:
            shop.change(("u1", "people-new", "entered"))
            until(lambda: stub.requests)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with running(shop):
            until(lambda: len(stub.requests) == 2)
        first, second = stub.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


def test_the_official_client_takes_a_message_and_no_other(shop):
    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        with running(shop):
            shop.change(("ü1", "people-new", "entered"))
            until(lambda: stub.requests)
    [request] = stub.requests

    def check(body):
        given = json.dumps([SECRET, request.headers, body])
        return subprocess.run(
            [JUDGE, "-c", CHECK], input=given, capture_output=True, text=True, check=False
        )

    body = request.body.decode()
    taken = check(body)
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["data"]["user_id"] == "ü1"
    assert "No matching signature" in check(body.replace("entered", "left")).stderr


def test_the_receiver_of_the_docs_takes_a_message_and_no_other(shop):
    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        with running(shop):
            shop.change(("u1", "people-new", "entered"))
            until(lambda: stub.requests)
    [request] = stub.requests
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/triggers.md").read_text(), re.S)
    told = {}
    exec(code, told)
    assert told["is_ours"](SECRET, request.headers, request.body)
    assert not told["is_ours"](SECRET, request.headers, request.body + b" ")
    assert not told["is_ours"](OLD_SECRET, request.headers, request.body)
    old = request.headers | {"webhook-timestamp": "1600000000"}
    assert not told["is_ours"](SECRET, old, request.body)


def test_the_commands_list_try_and_replay(shop, ask):
    with stub_of(503) as stub:
        shop.trigger("a", f"{stub.url}/hidden", attempts=1)
        shop.trigger("b", stub.url, enabled=False, on="leave")
        with running(shop):
            shop.change(("u1", "people-new", "entered"))
            until_a_letter_is_written(shop, ask)
        text, status = ask("dead-letters", "a", "--json")
        letter = json.loads(text)
        assert (status, letter["state"], letter["last_status"]) == (0, "dead", 503)
        assert "hidden" not in text
        assert "1 of 1 dead letters are queued" in ask("replay", "a")[0]
        assert "0 of 1" in ask("replay")[0]
        text, status = ask("list")
        assert text.splitlines() == [
            "a: both new to 127.0.0.1 (on, 1 wait)",
            "b: leave new (off)",
        ]
        text, status = ask("test", "a")
        assert (status, "127.0.0.1 answered 503" in text) == (1, True)
        stub.answer = lambda request: (200, {}, b"thanks")
        text, status = ask("test", "a")
        assert (status, "took it (200)" in text, "thanks" in text) == (0, True, True)
        assert json.loads(stub.requests[-1].body)["type"] == "trigger.test"
        assert ask("test", "c")[1] == 2
        with running(shop):
            # It is written down once the answer is read: the receiver knows of it before.
            until(lambda: "replayed" in ask("dead-letters")[0])
        assert told(stub).count(("u1", "segment.entered")) == 2


def test_nothing_is_replayed_to_a_receiver_that_is_gone(shop, ask):
    with stub_of(410) as stub:
        shop.trigger("a", stub.url)
        with running(shop):
            shop.change(("u1", "people-new", "entered"))
            until_a_letter_is_written(shop, ask)
        text, status = ask("replay", "a")
        assert status == 0
        assert text.splitlines() == [
            "0 of 1 dead letters are queued; the active dispatcher sends them",
            "Those of a stay: its receiver is gone (410), so it rests until its file changes",
        ]
        shop.trigger("a", stub.url, description="It is back")
        assert "1 of 1" in ask("replay", "a")[0]


def test_figures_are_served_and_logs_name_no_person_and_no_path(shop):
    port = free_port()
    with stub_of(500, 200) as stub:
        shop.trigger("a", f"{stub.url}/token-in-a-path", attempts=1)
        with running(shop, "triggers", "run", "--metrics-port", str(port)) as process:
            shop.change(("anna@shop.example", "people-new", "entered"))
            shop.change(("ben@shop.example", "people-new", "entered"))
            until(lambda: len(stub.requests) == 2)
            delivered = 'sparkperso_triggers_deliveries_total{outcome="delivered",trigger="a"} 1.0'
            dead = delivered.replace("delivered", "dead")
            text = until(lambda: delivered in figures(port) and dead in figures(port))
            text = until(lambda: 'sparkperso_triggers_waiting{trigger="a"} 0.0' in figures(port))
            assert text
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        said = "".join(process.said)
        assert "dead letter" in said
        assert "shop.example" not in said
        assert "token-in" not in said


def figures(port):
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text


@pytest.mark.slow
def test_serve_has_one_beside_it_that_is_started_again(shop):
    port = free_port()

    def serves():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def is_told(user):
        return lambda: (user, "segment.entered") in told(stub)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        with running(shop, "serve", "--port", str(port), says="listens on") as process:
            until(serves)
            until(lambda: any("begins at the end" in one for one in process.said))
            shop.change(("u1", "people-new", "entered"))
            until(is_told("u1"))
            count = 'sparkperso_triggers_deliveries_total{outcome="delivered",trigger="a"} 1.0'
            until(lambda: count in figures(port))
            [child] = dispatchers(process.pid)
            subprocess.run(["kill", "-9", str(child)], check=True)
            shop.change(("u2", "people-new", "entered"))
            until(is_told("u2"))
            until(lambda: count.replace("1.0", "2.0") in figures(port))
            # SIGHUP reads the triggers anew.
            shop.trigger("a", stub.url, on="leave")
            process.send_signal(signal.SIGHUP)
            until(lambda: dispatchers(process.pid) not in ([], [child]))
            until(lambda: sum("goes on after" in one for one in process.said) == 2)
            shop.change(("u3", "people-new", "entered"), ("u3", "people-new", "left"))
            until(lambda: ("u3", "segment.left") in told(stub))
            assert ("u3", "segment.entered") not in told(stub)
            [child] = dispatchers(process.pid)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert not Path(f"/proc/{child}").exists()


def dispatchers(parent):
    """Processes below one that have the lock open."""
    found = []
    listed = subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(parent)])
    for pid in map(int, listed.split()):
        try:
            files = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        if "active.lock" in files:
            found.append(pid)
    return found


def test_with_redis_another_machine_takes_over_from_one_that_died(tmp_path, redis_server):  # noqa: F811
    shop = Shop(tmp_path)
    store = {"kind": "redis", "redis": {"url": redis_server.url, "prefix": tmp_path.name}}
    common = {"serving": "assumed: contract", "store": store, "poll_seconds": 0.05}
    shop.history()

    def machine(name):
        shop.settings_of(**common, lease_seconds=1.5, folder=str(tmp_path / name))
        return running(shop)

    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        with machine("one") as first:
            shop.change(("u1", "people-new", "entered"))
            until(lambda: len(stub.requests) == 1)
            time.sleep(1)
            with machine("other") as second:
                assert "waits for its turn" in second.said[0]
                first.send_signal(signal.SIGKILL)
                first.wait()
                shop.change(("u2", "people-new", "entered"))
                until(lambda: ("u2", "segment.entered") in told(stub))
                assert any("goes on after version 1" in one for one in second.said)
        assert told(stub) == [("u1", "segment.entered"), ("u2", "segment.entered")]


def test_while_redis_does_not_answer_nobody_is_told_of_and_then_all_are(tmp_path, redis_server):  # noqa: F811
    shop = Shop(tmp_path)
    store = {"kind": "redis", "redis": {"url": redis_server.url, "prefix": tmp_path.name}}
    shop.settings_of(serving="assumed: contract", store=store, poll_seconds=0.05, lease_seconds=1)
    shop.history()
    with stub_of(200) as stub:
        shop.trigger("a", stub.url)
        with running(shop) as process:
            redis_server.stop()
            try:
                shop.change(("u1", "people-new", "entered"))
                until(lambda: any("should answer" in one for one in process.said))
                time.sleep(1)
                assert not stub.requests
            finally:
                redis_server.start()
            until(lambda: told(stub) == [("u1", "segment.entered")])
