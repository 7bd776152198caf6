"""One file of the spool: appended to, cut back when a write failed, handed over by a rename."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from sparkperso.core.locks import try_lock
from sparkperso.core.places import sync_folder

OWN_FOLDER, OWN_FILE = 0o700, 0o600
"""Who the collector runs as, and nobody else, may read what people did."""


class SpoolFile:
    """A file in `open/` that this process alone writes, and holds a lock on while it does."""

    def __init__(self, path: Path) -> None:
        """Creates the file; raises FileExistsError when there is one of this name."""
        self.path, self.size, self.opened_at = path, 0, time.monotonic()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, OWN_FILE)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        sync_folder(path.parent)

    def append(self, data: bytes, is_synced: bool) -> None:
        """Adds whole lines, durable if `is_synced`.

        Raises OSError when they may not be counted on: then the file is to be given up.
        """
        rest = memoryview(data)  # os.write may take a part only, as on a disk that is nearly full
        while rest:
            rest = rest[os.write(self._file, rest) :]
        if is_synced:
            os.fdatasync(self._file)
        self.size += len(data)

    @property
    def age(self) -> float:
        """Returns the seconds since it was opened."""
        return time.monotonic() - self.opened_at

    def hand_over(self, ready: Path) -> None:
        """Moves the file into `ready`, whole and durable, and ends writing to it.

        Raises OSError when it cannot; the file then stays in `open/` and locked.
        """
        if self.size:
            os.fsync(self._file)
        hand_over(self.path, ready, self.size)
        os.close(self._file)

    def give_up(self, ready: Path) -> None:
        """Hands over what was durable before a failure; where that fails too, the next start does.

        No later write can be trusted after a failed one: the file may hold half a line.
        """
        try:
            os.ftruncate(self._file, self.size)
            self.hand_over(ready)
        except OSError:
            os.close(self._file)


def hand_over(path: Path, ready: Path, size: int) -> None:
    """Moves a file into `ready` at once and durably; one without lines is removed."""
    if size:
        # The new name is durable before the end of the old one: no power cut loses both.
        os.rename(path, ready / path.name)
        sync_folder(ready)
    else:
        path.unlink()
    sync_folder(path.parent)


def recover(path: Path, ready: Path) -> None:
    """Hands over what a process that was killed left; its last line is cut off where it is torn.

    A torn line was never acknowledged: its fsync did not return. A file that another process
    still writes is locked, and left alone.
    """
    file = os.open(path, os.O_RDWR)
    try:
        if not try_lock(file):
            return
        size = _whole_lines(file)
        os.ftruncate(file, size)
        os.fsync(file)
        hand_over(path, ready, size)
    finally:
        os.close(file)


def _whole_lines(file: int, step: int = 1 << 16) -> int:
    """Returns the number of bytes up to and with the last newline."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - step)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
