"""How a streaming query is run: begun, followed to its end, stopped between micro-batches."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event
from typing import Protocol

from pyspark.errors import StreamingQueryException
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from sparkperso.pipeline.job import Job

POLL_SECONDS = 1
SMALL_BATCHES = {
    # Adaptive execution plans and runs every stage apart: more work than a small stage itself.
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.properties.defaults.checkpointInterval": "50",
}


class StopRequestError(Exception):
    """A micro-batch that was not begun because the stream is to stop."""


def run_query(job: Job, writer: DataStreamWriter, seconds: float) -> StreamingQuery:
    """Starts a query as the options say; else it begins a micro-batch every `seconds` at most."""
    trigger = job.options.get("trigger")
    seconds = seconds if trigger is None else trigger
    if job.options.get("available_now"):
        return run_to_end(writer)
    return writer.trigger(processingTime=f"{round(seconds * 1000)} milliseconds").start()


def run_to_end(writer: DataStreamWriter) -> StreamingQuery:
    """Starts a query that ends when all that there is now is in."""
    return writer.trigger(availableNow=True).start()


class Progress(Protocol):
    """Writes down what a query tells of itself."""

    def write(self, query: StreamingQuery, at_once: bool = False) -> None:
        """Writes down what is new, now or when it is time."""


class RunningStream(Protocol):
    """A stream while it runs."""

    @property
    def is_stopping(self) -> Event:
        """Set when it is to stop."""

    @property
    def progress(self) -> Progress:
        """Told of the query."""


def follow(query: StreamingQuery, stream: RunningStream) -> None:
    """Waits for the end of the query, and writes down its progress.

    On a request to stop, the micro-batch that is under way is finished and none is begun.
    """
    try:
        while not query.awaitTermination(POLL_SECONDS):
            stream.progress.write(query)
            if stream.is_stopping.is_set() and not query.status["isTriggerActive"]:
                query.stop()
    except StreamingQueryException:
        if not stream.is_stopping.is_set():
            raise
    finally:
        with suppress(Exception):
            query.stop()
        stream.progress.write(query, at_once=True)


@contextmanager
def for_small_batches(job: Job, others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Sets the session to batches of a few thousand records, and `others`, inside the block."""
    partitions = max(2, min(8, job.spark.sparkContext.defaultParallelism))
    wanted = {**SMALL_BATCHES, **(others or {}), "spark.sql.shuffle.partitions": str(partitions)}
    conf = job.spark.conf
    former = {name: conf.get(name, None) for name in wanted}
    try:
        for name, value in wanted.items():
            conf.set(name, value)
        yield
    finally:
        for name, before in former.items():
            if before is None:
                conf.unset(name)
            else:
                conf.set(name, before)


@contextmanager
def stopping_on_signals(is_stopping: Event) -> Iterator[None]:
    """Lets SIGTERM and SIGINT set the event inside the block."""
    wanted = (signal.SIGTERM, signal.SIGINT)
    former = {number: signal.signal(number, lambda *_: is_stopping.set()) for number in wanted}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
