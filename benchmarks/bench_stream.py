"""Streaming from Kafka to silver: events per second from a filled topic, and how old they get.

    python benchmarks/bench_stream.py [--events 200000] [--offered 500] [--seconds 240]

A real broker on loopback is filled directly by a producer and drained (--available-now); then a
second process offers events at a steady rate and the stream follows. Times and counts are read
from ops/stream_progress: age is from the time of arrival in the record to the end of its
micro-batch, when its event was in silver.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from multiprocessing import Process
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from deltalake import DeltaTable

from sparkperso.testing.kafka import Broker, kafka_broker

TOPIC = "sparkperso.events"


def event(number: int) -> bytes:
    """Returns a line as the collector writes it."""
    now = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    collected = {"received_at": now, "site": "shop", "basis": "assumed: benchmark"}
    collected |= {"purpose": "analytics", "region": None, "opted_out": False, "key_id": "k1"}
    fields = {"event_id": f"e{number:012d}", "user_id": f"u{number % 5000}", "timestamp": now}
    fields |= {"event_type": "item_view", "item_id": f"i{number % 1000}"}
    metadata = {"title": f"Item {number % 1000}", "campaign": "spring"}
    context = {"page_url": f"https://shop.example/item/{number % 1000}", "device_type": "mobile"}
    return json.dumps(
        fields | {"metadata": metadata, "context": context} | {"collected": collected}
    ).encode()


def produce(bootstrap: str, first: int, count: int, per_second: float | None = None) -> None:
    """Sends events, as fast as the broker takes them or at a steady rate."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5})
    started = time.monotonic()
    for number in range(count):
        while per_second and number / per_second > time.monotonic() - started:
            producer.poll(0.002)
        producer.produce(TOPIC, event(first + number), key=f"u{number % 5000}")
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(60)


def command(broker: Broker, lake: Path, *options: str) -> list[str]:
    """Returns the command line of the stream."""
    settings = ("stream.input=kafka", f"stream.kafka.bootstrap={broker.bootstrap}")
    sets = [part for setting in settings for part in ("--set", setting)]
    line = [sys.executable, "-m", "sparkperso.cli.main", "ingest-events", "--source", "collector"]
    return [*line, "--stream", "--lake", str(lake), *sets, *options]


def progress(lake: Path) -> list[dict[str, Any]]:
    """Returns the rows of ops/stream_progress in order."""
    rows = DeltaTable(str(lake / "ops" / "stream_progress")).to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: row["batch_number"])


def drain(broker: Broker, lake: Path, count: int) -> None:
    """Fills the topic, drains it, and prints the rate."""
    produce(broker.bootstrap, 0, count)
    started = time.monotonic()
    subprocess.run(command(broker, lake, "--available-now"), check=True)
    rows = progress(lake)
    seconds = (rows[-1]["finished_at"] - rows[0]["started_at"]).total_seconds()
    print(f"drained {count:,} events in {seconds:.1f} s: {count / seconds:,.0f} events/s ")
    print(f"  with start and stop of Spark: {time.monotonic() - started:.1f} s")
    for row in rows:
        print(f"  micro-batch of {row['n_records']:,}: {row['processed_per_second']:,.0f} /s")


def follow(broker: Broker, lake: Path, per_second: float, seconds: float, first: int) -> None:
    """Offers events at a steady rate to a running stream, and prints how old they get."""
    before = len(progress(lake))
    stream = subprocess.Popen(command(broker, lake))
    time.sleep(25)
    sender = Process(
        target=produce, args=(broker.bootstrap, first, int(per_second * seconds), per_second)
    )
    sender.start()
    sender.join()
    time.sleep(15)
    stream.send_signal(signal.SIGTERM)
    stream.wait(120)
    rows = progress(lake)[before:]
    print(f"offered {per_second:,.0f} events/s for {seconds:.0f} s:")
    half = rows[0]["started_at"] + (rows[-1]["started_at"] - rows[0]["started_at"]) / 2
    tell_ages("whole run, from a cold start", rows)
    tell_ages("second half", [row for row in rows if row["started_at"] >= half])


def tell_ages(what: str, rows: Sequence[dict[str, Any]]) -> None:
    """Prints how old events were when they were in silver; micro-batches weigh by their records."""
    ages = sorted(row["median_age_seconds"] for row in rows for _ in range(row["n_records"]))
    worst = max(row["max_age_seconds"] for row in rows)
    print(f"  {what}: {len(ages):,} events in {len(rows)} micro-batches, ", end="")
    print(f"median age in silver {ages[len(ages) // 2]:.1f} s, oldest {worst:.1f} s")


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--offered", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=240)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, kafka_broker(Path(folder) / "kafka") as broker:
        broker.create_topic(TOPIC)
        lake = Path(folder) / "lake"
        drain(broker, lake, arguments.events)
        follow(broker, lake, arguments.offered, arguments.seconds, arguments.events)


if __name__ == "__main__":
    main()
