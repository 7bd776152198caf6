"""A real personalisation API, or dashboard, in processes of its own: for tests, benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkperso.testing.cluster import free_port
from sparkperso.testing.collector import wait_for

START_SECONDS = 60.0


@dataclass
class Api:
    """A running API or dashboard: its address, its process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def workers(self) -> list[int]:
        """Returns the process ids of its workers, the oldest first."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [one for one in map(int, text.split()) if _is_worker(one)]

    def signal(self, number: int) -> None:
        """Sends the process that watches the workers a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Ends it as a system would, by SIGTERM; returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def running_api(
    lake: Path,
    *options: str,
    port: int | None = None,
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Api]:
    """Runs `sparkperso serve` over a lake's store until the block ends.

    What it logs goes to the file `log`, or to where this process's does.
    """
    line = ["serve", "--port", str(port or free_port()), "--lake", str(lake), *options]
    with _running(line, environ, log) as api:
        yield api


@contextmanager
def running_dashboard(lake: Path, *options: str, log: Path | None = None) -> Iterator[Api]:
    """Runs `sparkperso dashboard` over a lake until the block ends."""
    line = ["dashboard", "--port", str(free_port()), "--lake", str(lake), *options]
    with _running(line, None, log) as dashboard:
        yield dashboard


@contextmanager
def _running(
    words: list[str], environ: Mapping[str, str] | None, log: Path | None
) -> Iterator[Api]:
    line = [sys.executable, "-m", "sparkperso.cli.main", *words]
    errors = log.open("ab") if log else None
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, **(environ or {})}
    )
    try:
        url = f"http://127.0.0.1:{words[2]}"
        wait_for(f"{url}/healthz", process, START_SECONDS)
        yield Api(url, process)
    finally:
        # Its workers end with it; a killed one would leave them.
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if errors:
            errors.close()


def _is_worker(pid: int) -> bool:
    """Says whether a process is one that `multiprocessing` spawned, not its resource tracker."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in line
