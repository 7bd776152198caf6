"""A real collector in a process of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from sparkperso.testing.cluster import free_port

START_SECONDS = 20.0


@dataclass
class Collector:
    """A running collector: its address, its lake, its process."""

    url: str
    lake: Path
    process: subprocess.Popen[bytes]
    started_in: float
    """Seconds from the command to its first answer."""

    @property
    def spool(self) -> Path:
        """Returns the spool's folder."""
        return self.lake / "_spool"

    def end(self) -> int:
        """Ends it as a system would, by SIGTERM; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """Kills it without a word."""
        self.process.kill()
        self.process.wait(timeout=30)

    def lines(self, folder: str = "") -> list[bytes]:
        """Returns all lines of the spool, handed over or not; `folder` may be `recordings`."""
        # A part that is handed over meanwhile moves from one folder to another: seen in neither.
        while True:
            parts = self._parts(folder)
            with suppress(FileNotFoundError):
                found = [part.read_bytes() for part in parts]
                if parts == self._parts(folder):
                    return [line for text in found for line in text.splitlines()]

    def _parts(self, folder: str) -> list[Path]:
        parts = (self.spool / folder).glob("*/*.jsonl")
        return sorted(parts, key=lambda part: part.name)


@contextmanager
def running_collector(
    lake: Path, *options: str, port: int | None = None, environ: dict[str, str] | None = None
) -> Iterator[Collector]:
    """Runs `sparkperso collect` with options until the block ends; what it logs goes to stderr."""
    port = port or free_port()
    line = [sys.executable, "-m", "sparkperso.cli.main", "collect", "--port", str(port)]
    line += ["--lake", str(lake), *options]
    started = time.monotonic()
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, env={**os.environ, **(environ or {})}
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz", process)
        yield Collector(url, lake, process, time.monotonic() - started)
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = START_SECONDS) -> None:
    """Returns when a service answers; raises RuntimeError when it ends or takes over `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=2)
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"{url} does not answer; exit status: {process.poll()}")


def basic(write_key: str) -> tuple[str, str]:
    """Returns httpx's credentials of a write key."""
    return (write_key, "")


LOCAL: Sequence[str] = basic("local-dev-key")
"""The key that `--env local` takes."""
