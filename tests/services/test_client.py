"""The Python client against a real collector: through outages, restarts and refusals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkperso.client import AsyncClient, Client, Options
from sparkperso.core.errors import UsageError
from sparkperso.testing.collector import free_port, running_collector

QUICK = Options(flush_seconds=0.05, first_pause=0.05, longest_pause=0.2)
KEY = "local-dev-key"


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("client")) as running:
        yield running


def kept(collector, kind="click"):
    lines = map(json.loads, collector.lines())
    return [line["event_id"] for line in lines if line["user_id"].startswith(kind)]


def test_what_threads_track_arrives_once_each(collector):
    with Client(collector.url, KEY, options=QUICK) as client, ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda n: client.track("click", user_id=f"thread{n}"), range(1000)))
        assert client.flush()
        assert client.stats.accepted == 1000
    assert sorted(kept(collector, "thread")) == sorted(ids)


def test_what_asyncio_tracks_arrives_once_each(collector):
    async def send():
        async with AsyncClient(collector.url, KEY, options=QUICK) as client:
            ids = [client.track("click", user_id="async") for _ in range(500)]
            assert await client.flush()
            return ids

    ids = asyncio.run(send())
    assert sorted(kept(collector, "async")) == sorted(ids)


def test_an_invalid_event_does_not_take_others_with_it(collector, caplog):
    with Client(collector.url, KEY, options=QUICK) as client:
        client.track("click", user_id="mixed", value=1)
        client.track("click", user_id="mixed", timestamp="soon")
        client.track("click", user_id="mixed", metadata={"text": "x" * 1_500_000})
        client.track("click", user_id="mixed")
        assert client.flush()
        assert (client.stats.accepted, client.stats.invalid) == (2, 2)
    assert len(kept(collector, "mixed")) == 2
    assert "timestamp" in caplog.text


def test_events_wait_in_their_file_until_the_collector_is_there(tmp_path):
    port, queue = free_port(), tmp_path / "queue.sqlite"
    url = f"http://127.0.0.1:{port}"
    client = Client(url, KEY, queue=queue, options=QUICK)
    ids = [client.track("click", user_id="waits") for _ in range(250)]
    client.close(timeout=0.2)
    assert client.stats.failures
    with (
        running_collector(tmp_path / "lake", port=port) as late,
        Client(url, KEY, queue=queue, options=QUICK) as client,
    ):
        assert client.queued == 250
        ids.append(client.track("click", user_id="waits"))
        assert client.flush()
    assert kept(late, "waits") == ids


def test_a_collector_that_is_killed_and_started_again_gets_everything(tmp_path):
    port, ids = free_port(), []
    with Client(f"http://127.0.0.1:{port}", KEY, options=QUICK) as client:
        for _ in range(3):
            with running_collector(tmp_path, port=port) as collector:
                end = time.monotonic() + 0.4
                while time.monotonic() < end:
                    ids.append(client.track("click", user_id="again"))
                    time.sleep(0.001)
                collector.kill()
        with running_collector(tmp_path, port=port) as collector:
            assert client.flush(20)
        assert client.stats.failures
    assert set(kept(collector, "again")) == set(ids)


def test_a_process_that_ends_sends_what_it_has(collector):
    code = (
        "import sys; from sparkperso.client import Client\n"
        f"Client({collector.url!r}, {KEY!r}).track('click', user_id='ends')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert len(kept(collector, "ends")) == 1


def test_a_queue_is_of_one_process_and_bounded(tmp_path, collector):
    queue = tmp_path / "queue.sqlite"
    few = Options(max_queued=2, flush_seconds=60)
    with Client("http://127.0.0.1:9", KEY, queue=queue, options=few) as client:
        for _ in range(3):
            client.track("click", user_id="u")
        assert (client.queued, client.stats.dropped) == (2, 1)
        with pytest.raises(UsageError, match="a file of its own"):
            Client(collector.url, KEY, queue=queue)
        client.close(timeout=0.01)


def test_a_key_that_is_wrong_keeps_the_events(tmp_path, collector, caplog):
    queue = tmp_path / "queue.sqlite"
    with Client(collector.url, "wrong", queue=queue, options=QUICK) as client:
        client.track("click", user_id="kept")
        assert not client.flush(0.5)
        client.close(timeout=0.1)
    assert "401" in caplog.text
    with Client(collector.url, KEY, queue=queue, options=QUICK) as client:
        assert client.flush()
        assert client.stats.accepted == 1


def test_a_client_that_is_told_to_wait_waits(tmp_path):
    limit = "collect.limits.events_per_second=50"
    with (
        running_collector(tmp_path, "--set", limit) as collector,
        Client(collector.url, KEY, options=QUICK) as client,
    ):
        for _ in range(250):
            client.track("click", user_id="slow")
        started = time.monotonic()
        assert client.flush(30)
        assert time.monotonic() - started > 1
        assert 1 <= client.stats.failures < 10
        assert client.stats.accepted == 250
    assert len(kept(collector, "slow")) == 250
