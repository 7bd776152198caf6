"""Requests at a fixed rate, from a process of its own.

    python benchmarks/offered_load.py HOST PORT RATE SECONDS FILE     a request per line of the file

Each request has its moment, whether the one before it was answered or not; its latency counts from
that moment, so that a server that stands still is charged for all who wait (no coordinated
omission). Requests are dealt out over connections that are kept open. Prints one line of JSON:
sent, answered, errors, p50, p90, p99 and p99.9 in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from pathlib import Path
from time import perf_counter

import numpy as np
import uvloop

CONNECTIONS = 32


class Connection(asyncio.Protocol):
    """One connection, which sends requests at once and takes answers in their order."""

    def __init__(self, latencies: list[float], errors: list[int]) -> None:
        self.latencies, self.errors = latencies, errors
        self.moments: deque[float] = deque()
        self.data, self.length = b"", -1

    def connection_made(self, transport) -> None:
        """Keeps what requests are written to."""
        self.transport = transport

    def send(self, request: bytes, moment: float) -> None:
        """Sends a request that was due at a moment."""
        self.moments.append(moment)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Takes whole answers, in their order."""
        self.data += data
        while True:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            total = end + 4 + length
            if len(self.data) < total:
                return
            if not head.startswith(b"http/1.1 200"):
                self.errors[0] += 1
            self.data = self.data[total:]
            self.latencies.append(perf_counter() - self.moments.popleft())

    def connection_lost(self, exc) -> None:
        """Counts what was not answered."""
        self.errors[0] += len(self.moments)


async def run(host: str, port: int, rate: float, seconds: float, requests: list[bytes]) -> dict:
    loop, latencies, errors = asyncio.get_running_loop(), [], [0]
    connections = [
        (await loop.create_connection(lambda: Connection(latencies, errors), host, port))[1]
        for _ in range(CONNECTIONS)
    ]
    total, sent, start = int(rate * seconds), 0, perf_counter()
    while sent < total:
        due = min(total, int((perf_counter() - start) * rate))
        while sent < due:
            moment = start + sent / rate
            connections[sent % CONNECTIONS].send(requests[sent % len(requests)], moment)
            sent += 1
        await asyncio.sleep(0.0005)
    for _ in range(200):
        if len(latencies) >= total:
            break
        await asyncio.sleep(0.05)
    found = np.array(latencies) * 1000
    marks = np.percentile(found, [50, 90, 99, 99.9]) if len(found) else [float("nan")] * 4
    names = ("p50", "p90", "p99", "p99.9")
    return {
        **{"sent": sent, "answered": len(latencies), "errors": errors[0]},
        **{name: round(float(mark), 3) for name, mark in zip(names, marks, strict=True)},
    }


def main() -> None:
    host, port, rate, seconds, paths = sys.argv[1:6]
    requests = [
        line.encode().decode("unicode_escape").encode("latin-1")
        for line in Path(paths).read_text().splitlines()
    ]
    uvloop.install()
    print(json.dumps(asyncio.run(run(host, int(port), float(rate), float(seconds), requests))))


if __name__ == "__main__":
    main()
