"""The broker of the tests is a real one: what it acknowledged survives its death."""

from __future__ import annotations

from confluent_kafka import Consumer, Producer


def test_acknowledged_records_survive_a_killed_broker(broker, topic):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "log_level": 0})
    producer.produce(topic, b"before")
    assert producer.flush(20) == 0
    broker.kill()
    producer.produce(topic, b"after")
    assert producer.flush(1) == 1
    broker.start()
    assert producer.flush(30) == 0
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "g", "log_level": 0}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = {consumer.poll(20).value() for _ in range(2)}
    consumer.close()
    assert found == {b"before", b"after"}
