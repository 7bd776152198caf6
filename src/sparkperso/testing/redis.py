"""A real Redis server for tests and benchmarks: Debian's, on a free port of this machine."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from redis import Redis, RedisError

from sparkperso.core.errors import JobError, UsageError
from sparkperso.testing.cluster import free_port

START_SECONDS = 60


@dataclass
class RedisServer:
    """A server that forgets everything when it ends."""

    folder: Path
    port: int
    process: Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Returns the address as clients take it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it and waits until it answers; raises JobError where it does not."""
        line = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        line += ["--appendonly", "no", "--dir", str(self.folder), "--logfile", "redis.log"]
        self.process = Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if Redis.from_url(self.url).ping():
                    return
            except RedisError:
                time.sleep(0.02)
        self.stop()
        raise JobError("Redis should answer", (self.folder / "redis.log").read_text()[-500:])

    def stop(self) -> None:
        """Ends it, whatever it is doing."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Gives a running server; raises UsageError where none is installed."""
    if not shutil.which("redis-server"):
        raise UsageError(
            "The store's tests need a Redis server",
            "There is no command 'redis-server'",
            "Run 'make test', which installs it, or install Debian's package redis-server",
        )
    server = RedisServer(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
