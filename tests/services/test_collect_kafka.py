"""The collector before a real broker: what is acknowledged is in the topic, once per event_id."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from sparkperso.testing.collector import LOCAL, running_collector

EVENT = {"user_id": "u", "event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
QUICK = "collect.kafka.delivery_seconds=2"


def values(broker, topic):
    """Returns all (partition, key, value) of a topic."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions}
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found = []
    while len(found) < sum(ends.values()):
        message = consumer.poll(10)
        assert message is not None, f"{len(found)} of {ends} came"
        found.append((message.partition(), message.key(), json.loads(message.value())))
    consumer.close()
    return found


@pytest.fixture
def collector(broker, tmp_path):
    topic = f"events-{tmp_path.name}"
    broker.create_topic(topic, 3)
    options = ["--sink", "kafka", "--set", f"collect.kafka.bootstrap={broker.bootstrap}"]
    options += ["--set", f"collect.kafka.topic={topic}", "--set", QUICK]
    options += ["--set", f"collect.kafka.recordings_topic={topic}-recordings"]
    with running_collector(tmp_path, *options) as running:
        running.topic = topic
        yield running


def test_events_of_a_user_keep_their_order_and_recordings_lie_apart(broker, collector):
    with httpx.Client(base_url=collector.url, auth=LOCAL) as client:
        for number in range(5):
            events = [EVENT | {"user_id": f"u{k}", "event_id": f"{k}-{number}"} for k in range(6)]
            answer = client.post("/v1/events", json={"events": events}, timeout=20)
            assert answer.json()["accepted"] == 6
        recording = EVENT | {"event_type": "session_recording", "event_id": "film"}
        assert client.post("/v1/events", json=recording, timeout=20).status_code == 200
    found = values(broker, collector.topic)
    assert len(found) == 30
    for k in range(6):
        own = [(p, line["event_id"]) for p, key, line in found if key == b"u%d" % k]
        assert [name for _, name in own] == [f"{k}-{number}" for number in range(5)]
        assert len({p for p, _ in own}) == 1
    films = values(broker, f"{collector.topic}-recordings")
    assert [line["event_id"] for _, _, line in films] == ["film"]


def send(collector, seconds, answers):
    end, number = time.monotonic() + seconds, 0
    with httpx.Client(base_url=collector.url, auth=LOCAL, timeout=20) as client:
        while time.monotonic() < end:
            name = f"{threading.get_ident()}-{number}"
            number += 1
            answer = client.post("/v1/events", json=EVENT | {"event_id": name})
            answers.append((name, answer.status_code, answer.headers.get("retry-after")))
            if answer.status_code != 200:
                time.sleep(0.1)


def test_a_broker_that_stops_and_starts_loses_nothing_that_was_acknowledged(broker, collector):
    answers = []
    senders = [threading.Thread(target=send, args=(collector, 9, answers)) for _ in range(3)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    broker.kill()
    time.sleep(4)
    with httpx.Client(base_url=collector.url) as client:
        not_ready = client.get("/readyz", timeout=10)
        assert (not_ready.status_code, "Kafka" in not_ready.json()["detail"]) == (503, True)
    broker.start()
    for sender in senders:
        sender.join()
    accepted = {name for name, status, _ in answers if status == 200}
    refused = [(status, wait) for _, status, wait in answers if status != 200]
    assert len(accepted) > 10
    assert set(refused) == {(503, "5")}
    stored = [line["event_id"] for _, _, line in values(broker, collector.topic)]
    assert accepted <= set(stored)
    assert len(stored) == len(set(stored))
