"""The Kotlin client: compiled by its compiler, run on the JVM, against a real collector."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from sparkperso.core.errors import UsageError
from sparkperso.testing.collector import free_port, running_collector
from sparkperso.testing.kotlin import compile_kotlin, kotlin_line

KOTLIN = Path(__file__).parents[2] / "clients" / "kotlin"
KEY = "local-dev-key"


@pytest.fixture(scope="module")
def jar(tmp_path_factory):
    jar = tmp_path_factory.mktemp("kotlin") / "client.jar"
    try:
        compile_kotlin([KOTLIN / "src", KOTLIN / "example"], jar)
    except UsageError as error:
        pytest.fail(str(error))
    return jar


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


class Run:
    """A run of the example: ids of what it tracked, its statistics."""

    def __init__(self, line):
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        *self.ids, stats = done.stdout.splitlines()
        self.stats = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", stats)}
        self.log = done.stderr


def run(jar, *arguments):
    return Run(kotlin_line(jar, "ExampleKt", *map(str, arguments)))


def kept(collector, user):
    return [line for line in map(json.loads, collector.lines()) if line["user_id"] == user]


def test_what_is_tracked_arrives_once_each(jar, collector):
    sent = run(jar, collector.url, KEY, "k-1", 250)
    lines = kept(collector, "k-1")
    assert [line["event_id"] for line in lines] == sent.ids
    assert (sent.stats["accepted"], sent.stats["failures"], len(set(sent.ids))) == (250, 0, 250)
    first = lines[0]
    assert (first["item_id"], first["channel"]) == ("A-0", "mobile")
    assert first["metadata"] == {"number": 0, "text": '"ü" 😀\ufffd\n\0', "list": [1.5, None]}


def test_events_wait_in_their_file_until_the_collector_is_there(jar, tmp_path):
    port, queue = free_port(), tmp_path / "queue.jsonl"
    url = f"http://127.0.0.1:{port}"
    early = run(jar, url, KEY, "k-2", 120, queue)
    assert early.stats["accepted"] == 0
    assert early.stats["failures"] >= 2
    with queue.open("ab") as file:
        file.write(b'{"event_id": "torn')
    with running_collector(tmp_path / "lake", port=port) as late:
        later = run(jar, url, KEY, "k-2", 10, queue)
        assert later.stats["accepted"] == 130
        assert [line["event_id"] for line in kept(late, "k-2")] == early.ids + later.ids
    assert queue.read_bytes() == b""


def test_a_wrong_key_keeps_the_events_and_is_told(jar, collector, tmp_path):
    queue = tmp_path / "queue.jsonl"
    wrong = run(jar, collector.url, "wrong", "k-3", 3, queue)
    assert (wrong.stats["accepted"], len(queue.read_bytes().splitlines())) == (0, 3)
    assert "401" in wrong.log
    assert run(jar, collector.url, KEY, "k-3", 0, queue).stats["accepted"] == 3


def test_what_is_too_often_is_sent_later(jar, tmp_path):
    limit = "collect.limits.events_per_second=100"
    with running_collector(tmp_path, "--set", limit) as collector:
        sent = run(jar, collector.url, KEY, "k-4", 400)
        assert sent.stats["accepted"] == 400
        assert 1 <= sent.stats["failures"] < 10
        assert len(kept(collector, "k-4")) == 400


def test_an_invalid_event_does_not_take_others_with_it(jar, collector):
    sent = run(jar, collector.url, KEY, "", 3)
    assert (sent.stats["invalid"], sent.stats["accepted"]) == (3, 0)
