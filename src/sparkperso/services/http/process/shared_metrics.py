"""Counters of several processes, of which any one tells the sum.

Prometheus' own way: each process keeps its values in files of one folder, mapped into memory, and
who is asked adds all of them up. What a process counted that has ended goes on being counted.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks when it is imported."""
Kind = Literal["counter", "histogram"]
KINDS: tuple[Kind, ...] = ("counter", "histogram")
ENDED = "ended"


class OwnValues:
    """Values of this process that others read; a place in memory costs less than a `Counter`.

    Without a folder of several processes nothing is kept.
    """

    def __init__(self, kind: Kind, name: str, text: str) -> None:
        self._name, self._text = name, text
        folder = os.environ.get(FOLDER)
        # Beside prometheus_client's own file, which no second writer may have open.
        path = Path(folder, f"{kind}_{os.getpid()}-{name}.db") if folder else None
        self._file = MmapedDict(str(path)) if path else None

    @property
    def is_shared(self) -> bool:
        """Says whether anybody reads them."""
        return self._file is not None

    def key(self, sample: str, labels: Mapping[str, str]) -> str:
        """Returns the key of a sample of this metric."""
        return mmap_key(self._name, sample, list(labels), list(labels.values()), self._text)

    def set(self, key: str, value: float) -> None:
        """Keeps a value."""
        if self._file is not None:
            self._file.write_value(key, value, 0.0)


def exposition(registry: CollectorRegistry) -> bytes:
    """Returns what Prometheus reads: of all processes that share the folder, else of `registry`.

    Takes milliseconds where there are several processes: not for an event loop.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(registry)
    whole = CollectorRegistry()
    with _locked(Path(folder), fcntl.LOCK_SH):
        MultiProcessCollector(whole, folder)
        return generate_latest(whole)


class MetricsFolder:
    """The folder of several processes, as whoever starts them sees it."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path
        self._name, self._help = f"{prefix}_worker_ends", "Workers that ended, by how."
        self._ended = {kind: MmapedDict(str(path / f"{kind}_{ENDED}.db")) for kind in KINDS}

    def take_over(self, pid: int, cause: str | None) -> None:
        """Adds what a process counted that has ended to what all of those did.

        Counts its end by its cause; None: it was no worker.
        """
        with _locked(self._path, fcntl.LOCK_EX):
            mark_process_dead(pid, str(self._path))
            for kind in KINDS:
                for file in (*self._path.glob(f"{kind}_{pid}.db"), *self._own(kind, pid)):
                    for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):
                        self._add(kind, key, value)
                    file.unlink()
        if cause is not None:
            key = mmap_key(self._name, f"{self._name}_total", ["cause"], [cause], self._help)
            self._add("counter", key, 1)

    def _own(self, kind: Kind, pid: int) -> Iterator[Path]:
        return self._path.glob(f"{kind}_{pid}-*.db")

    def _add(self, kind: Kind, key: str, value: float) -> None:
        ended = self._ended[kind]
        ended.write_value(key, ended.read_value(key)[0] + value, 0.0)


@contextmanager
def metrics_folder(prefix: str) -> Iterator[MetricsFolder]:
    """Gives the processes that are started in the block a folder of metrics, and removes it."""
    with TemporaryDirectory(prefix="sparkperso-metrics-") as folder:
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield MetricsFolder(Path(folder), prefix)
        finally:
            os.environ.pop(FOLDER)
            if before is not None:
                os.environ[FOLDER] = before


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Keeps who adds up from counting a process twice while it is taken over."""
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, kind)
        yield
