"""A disk that is full: what cannot be kept is not acknowledged, and the collector goes on."""

from __future__ import annotations

import json
import resource
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sparkperso.testing.collector import LOCAL, running_collector

EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}


@pytest.fixture
def collector(tmp_path):
    with running_collector(tmp_path) as running:
        yield running


def send(collector, name, count=20):
    """Returns the status of a batch, and the ids of its events."""
    ids = [f"{name}-{number}" for number in range(count)]
    body = {"events": [EVENT | {"event_id": name} for name in ids]}
    answer = httpx.post(f"{collector.url}/v1/events", json=body, auth=LOCAL, timeout=20)
    return answer, ids


def room(collector, size):
    """Lets the collector's files have at most `size` bytes: more fails as a full disk does."""
    limits = (size, resource.RLIM_INFINITY)
    resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, limits)


def test_what_is_acknowledged_is_kept_and_nothing_else_through_full_disks(collector):
    acknowledged, refused = set(), set()
    for time in range(3):
        for size, times in ((15_000, 30), (resource.RLIM_INFINITY, 5)):
            room(collector, size)
            with ThreadPoolExecutor(4) as pool:
                names = [f"{time}-{size}-{number}" for number in range(times)]
                for answer, ids in pool.map(lambda name: send(collector, name), names):
                    assert answer.status_code in (200, 503)
                    (acknowledged if answer.status_code == 200 else refused).update(ids)
                    if answer.status_code == 503:
                        assert int(answer.headers["retry-after"]) >= 1
                        assert answer.headers["content-type"] == "application/problem+json"
            if size == resource.RLIM_INFINITY:
                assert answer.status_code == 200
    assert collector.end() == 0
    kept = [json.loads(line)["event_id"] for line in collector.lines()]
    assert len(refused) > 100
    assert sorted(kept) == sorted(acknowledged)
