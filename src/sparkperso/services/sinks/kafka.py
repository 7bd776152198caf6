"""Kafka as the sink: keyed by user, idempotent producer, acknowledged by all in-sync replicas."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer

from sparkperso.config.collect import KafkaConfig
from sparkperso.services.http.problems import busy
from sparkperso.services.sinks.base import Line

log = logging.getLogger("sparkperso.collect")


class Delivery:
    """Waits for the brokers' word on each line of one request."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()
        self._left, self._error = count, None
        self._lock = threading.Lock()

    def done(self, error: Any, _message: Any) -> None:
        """Takes the word on one line, in the producer's thread or in the loop's."""
        # Two threads may come here: the poller, and the loop's for what could not be queued.
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        if self.future.done():  # the client has gone
            return
        if self._error is None:
            self.future.set_result(None)
        else:
            text = f"Kafka did not take the events: {self._error}. Send them again."
            self.future.set_exception(busy(text, 5))


class KafkaSink:
    """A producer of one topic; lines of one user go to one partition, in their order."""

    def __init__(self, topic: str, config: KafkaConfig) -> None:
        self._topic, self._config = topic, config
        self._pending_bytes = 0
        self._is_closing = threading.Event()

    async def start(self) -> None:
        """Starts the producer, which finds its brokers by itself."""
        self._producer = Producer(_settings(self._config))
        self._poller = threading.Thread(target=self._poll, name=self._topic, daemon=True)
        self._poller.start()

    async def put(self, lines: Sequence[Line]) -> None:
        """Returns when all in-sync replicas have the lines.

        Raises a 503 Problem when a broker refuses one, when none confirms within
        `delivery_seconds`, and when more than `max_pending_bytes` would wait.
        """
        size = sum(len(line) for _, line in lines)
        if self._pending_bytes + size > self._config.max_pending_bytes:
            raise busy("Kafka does not keep up with the events. Nothing is certain: send again.")
        delivery = Delivery(len(lines))
        self._pending_bytes += size
        try:
            for key, line in lines:
                self._produce(key, line, delivery)
            await delivery.future
        finally:
            self._pending_bytes -= size

    async def check(self) -> str | None:
        """Returns why the brokers cannot be asked, or None."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, lambda: self._producer.list_topics(timeout=1.0))
        except KafkaException as error:
            return f"Kafka does not answer: {error.args[0].str()}"
        return None

    async def close(self) -> None:
        """Sends what waits, for `delivery_seconds` at most, and ends the poller."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._producer.flush, self._config.delivery_seconds)
        self._is_closing.set()
        await loop.run_in_executor(None, self._poller.join)

    def _produce(self, key: str, line: bytes, delivery: Delivery) -> None:
        try:
            self._producer.produce(self._topic, line, key, on_delivery=delivery.done)
        except (BufferError, KafkaException) as error:  # it was not even queued
            delivery.done(error, None)

    def _poll(self) -> None:
        while not self._is_closing.is_set():
            try:
                self._producer.poll(0.1)
            except Exception:  # of a delivery whose loop has ended; others wait for theirs
                log.exception("a delivery report could not be handled")


def _settings(config: KafkaConfig) -> dict[str, Any]:
    return {
        "bootstrap.servers": config.bootstrap,
        "client.id": "sparkperso-collect",
        "enable.idempotence": True,
        "acks": "all",
        # Five milliseconds in which lines of several requests become one request to a broker.
        "linger.ms": 5,
        "compression.type": "lz4",
        "delivery.timeout.ms": int(config.delivery_seconds * 1000),
        "message.max.bytes": 2_000_000,
        # Twice what may wait: our own bound is met first, with a reply that says so.
        "queue.buffering.max.kbytes": config.max_pending_bytes // 512,
        "log_level": 2,
    }
