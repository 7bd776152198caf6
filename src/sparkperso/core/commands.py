"""Commands of ours as processes beside this one: services that end with it, jobs to wait for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from sparkperso.core.errors import JobError

START_SECONDS, END_SECONDS = 60, 15
LAST_LINES = 15
Service = subprocess.Popen[bytes]


@contextmanager
def running(name: str, options: Sequence[str], log: Path | None = None) -> Iterator[Service]:
    """Runs a command until the block ends, then ends it and waits for that.

    What it logs goes to the end of the file `log`, or to where this process's does.
    """
    errors = log.open("ab") if log else None
    process = subprocess.Popen(_line(name, options), stdout=subprocess.DEVNULL, stderr=errors)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if errors:
            errors.close()


def wait_until_ready(process: Service, url: str) -> None:
    """Returns when the address of a service answers well; raises JobError if it never does."""
    opener, end = build_opener(ProxyHandler({})), time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        require_running(process)
        try:
            with opener.open(url, timeout=1):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise JobError(f"{url} should answer", f"It did not within {START_SECONDS} seconds")


def require_running(process: Service) -> None:
    """Raises JobError where a service ended by itself."""
    if process.poll() is not None:
        name = list(process.args)[3] if isinstance(process.args, list) else "service"
        raise JobError(
            f"'sparkperso {name}' should go on until it is told to end",
            f"It ended with exit status {process.returncode}",
            "What it printed above says why",
        )


def carry_out(name: str, options: Sequence[str], log: Path, allowed: Sequence[int] = (0,)) -> int:
    """Carries out a command and returns its exit status; what it prints goes to the end of a file.

    Raises JobError with the last lines for a status that is not among the `allowed`.
    """
    with log.open("ab") as output:
        begun = output.tell()
        done = subprocess.run(_line(name, options), stdout=output, stderr=output, check=False)
    if done.returncode not in allowed:
        with log.open("rb") as written:
            written.seek(begun)
            lines = written.read().decode("utf-8", "replace").strip().splitlines()
        raise JobError(
            f"'sparkperso {name}' should end well",
            f"It ended with exit status {done.returncode}: " + "\n".join(lines[-LAST_LINES:]),
            f"All that it printed is in {log}",
        )
    return done.returncode


def _line(name: str, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "sparkperso", name, *options]
