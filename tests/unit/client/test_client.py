"""The parts of the client that neither wait nor send."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from sparkperso.client.delivery import Delivery, retry_seconds
from sparkperso.client.events import new_event
from sparkperso.client.options import Options, Stats
from sparkperso.client.queue import Queue
from sparkperso.core.errors import UsageError

LINE = b'{"event_id":"1"}'


@pytest.fixture
def queue(tmp_path):
    queue = Queue(tmp_path / "queue.sqlite", 1000)
    yield queue
    queue.close()


def delivery(queue, **options):
    return Delivery(queue, Options(**options), Stats())


def taken(batch):
    return json.dumps({"results": [{"status": "accepted"}] * len(batch.numbers)}).encode()


def fill(queue, count):
    for _ in range(count):
        assert queue.put(LINE)


def test_an_event_gets_its_id_and_time_when_it_is_made():
    name, line = new_event("click", {"user_id": "u", "item_id": None, "metadata": {"a": "ü"}})
    event = json.loads(line)
    assert event["event_id"] == name
    assert datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).tzinfo
    assert (event["metadata"], "item_id" in event) == ({"a": "ü"}, False)
    assert new_event("click", {"user_id": "u", "event_id": "mine"})[0] == "mine"
    berlin = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    moved = json.loads(new_event("click", {"user_id": "u", "timestamp": berlin})[1])
    assert moved["timestamp"] == "2026-06-01T10:00:00Z"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user_id": "u", "colour": "red"},
        {"user_id": "u", "metadata": {"a": float("nan")}},
        {"user_id": "u", "metadata": {"a": object()}},
        {"user_id": "u", "timestamp": datetime(2026, 6, 1)},
    ],
)
def test_what_can_be_no_event_is_told_at_once(fields):
    with pytest.raises(UsageError):
        new_event("click", fields)


def test_half_a_character_loses_no_event():
    halves = {"a": "x\ud83d", "b": "\udc00x", "whole": "😀", "joined": "\ud83d\ude00"}
    line = new_event("click", {"user_id": "u", "metadata": halves})[1]
    repaired = {"a": "x\ufffd", "b": "\ufffdx", "whole": "😀", "joined": "😀"}
    assert json.loads(line.decode())["metadata"] == repaired


def test_a_batch_says_when_it_was_sent(queue):
    fill(queue, 1)
    before = datetime.now(timezone.utc)
    body = json.loads(delivery(queue).batch().body)
    sent_at = datetime.fromisoformat(body["sent_at"].replace("Z", "+00:00"))
    assert before <= sent_at <= datetime.now(timezone.utc)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"results":[]}', b'{"results":[{}]}'])
def test_only_a_collectors_word_for_each_event_takes_them_off_the_queue(queue, answer):
    fill(queue, 3)
    sender = delivery(queue)
    for status in (200, 201, 202, 204):
        sender.answered(sender.batch(), status, {}, answer)
        assert len(queue) == 3
        assert sender.pause() > 0


def test_a_queue_outlives_its_process_in_order(tmp_path):
    first = Queue(tmp_path / "queue", 10)
    for name in (b"1", b"2", b"3"):
        first.put(name)
    first.remove([first.head(1, 100)[0][0]])
    first.close()
    second = Queue(tmp_path / "queue", 10)
    assert len(second) == 2
    assert [line for _, line in second.head(10, 100)] == [b"2", b"3"]
    second.close()


def test_nobody_else_may_read_a_queue(tmp_path):
    path = tmp_path / "queue"
    path.touch(0o644)
    queue = Queue(path, 10)
    fill(queue, 1)
    assert {found.stat().st_mode & 0o077 for found in tmp_path.glob("queue*")} == {0}
    queue.close()


def test_batches_are_bounded_by_number_and_size(queue):
    fill(queue, 50)
    assert len(delivery(queue, batch_events=20).batch().numbers) == 20
    assert len(delivery(queue, batch_bytes=40).batch().numbers) == 2
    assert len(delivery(queue, batch_bytes=1).batch().numbers) == 1


def test_a_long_body_is_packed(queue):
    fill(queue, 100)
    batch = delivery(queue).batch()
    assert batch.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(batch.body))["events"]) == 100


def test_a_body_at_fault_is_halved_until_the_event_is_found(queue):
    fill(queue, 100)
    sender, sizes = delivery(queue), []
    while len(queue):
        batch = sender.batch()
        sizes.append(len(batch.numbers))
        is_bad = 37 in batch.numbers
        sender.answered(batch, 413 if is_bad else 200, {}, taken(batch))
    assert sizes[:3] == [100, 50, 25]
    assert len(sizes) < 25
    assert (sender._stats.accepted, sender._stats.invalid) == (99, 1)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 502, 503])
def test_other_failures_keep_all_events_and_pause(queue, status):
    fill(queue, 5)
    sender = delivery(queue, first_pause=1, longest_pause=8)
    pauses = []
    for _ in range(6):
        sender.answered(sender.batch(), status, {}, b"")
        pauses.append(sender.pause())
    assert all(0.45 * most < p <= most for p, most in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True))
    assert len(queue) == 5
    sender.answered(sender.batch(), status, {"Retry-After": "30"}, b"")
    assert 29 < sender.pause() <= 30
    batch = sender.batch()
    sender.answered(batch, 200, {}, taken(batch))
    assert (sender.pause(), len(queue)) == (0, 0)


def test_retry_after_may_be_seconds_a_date_or_nonsense():
    soon = datetime.now(timezone.utc) + timedelta(seconds=60)
    assert 58 < retry_seconds(format_datetime(soon, usegmt=True)) <= 60
    assert [retry_seconds(text) for text in ("7", None, "", "soon", "-5")] == [7, 0, 0, 0, 0]


def test_options_out_of_bounds_are_told():
    with pytest.raises(UsageError):
        Options(batch_events=501)


def test_a_full_disk_drops_what_is_new_and_keeps_what_waits(queue):
    queue._db.execute("PRAGMA max_page_count=12")
    taken = [queue.put(b"x" * 2000) for _ in range(50)]
    assert taken == [True] * taken.count(True) + [False] * taken.count(False)
    assert 5 < taken.count(True) == len(queue) < 50
    queue.remove(number for number, _ in queue.head(3, 10**6))
    assert len(queue.head(100, 10**6)) == len(queue) == taken.count(True) - 3
    assert queue.put(b"x")


def test_a_closed_client_takes_nothing(tmp_path):
    closed = Queue(None, 10)
    closed.close()
    with pytest.raises(UsageError, match="closed"):
        closed.put(LINE)
