"""How much memory a piece of work takes, on the machine that the driver runs on."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

PROC = Path("/proc")
INTERVAL = 0.2
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class PeakMemory:
    """Watches this process and all that descend from it (Spark's JVM and its Python workers).

    `peak_mb` is the largest sum of their resident memory in MiB, looked at every 0.2 s; pages that
    processes share count once for each. Without /proc: the peak of this process's whole life.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        """Starts watching."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops watching, after a last look."""
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._look()
            self._stop.wait(INTERVAL)

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, resident_mb())


def resident_mb() -> float:
    """Returns the resident memory of this process and its descendants, in MiB."""
    if not (PROC / "self/statm").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    family, pages = [os.getpid()], 0
    while family:
        pid = family.pop()
        family += children.get(pid, [])
        pages += _pages(pid)
    return pages * PAGE_MB


def _parents() -> list[tuple[int, int]]:
    """Returns (process, parent) of all processes."""
    pairs = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                # The name, in brackets, may hold blanks.
                after = (folder / "stat").read_text().rpartition(")")[2].split()
                pairs.append((int(folder.name), int(after[1])))
            except (OSError, IndexError):  # it has ended meanwhile
                continue
    return pairs


def _pages(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
