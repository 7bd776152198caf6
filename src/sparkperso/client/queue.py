"""Events that wait to be sent: in memory, or in a file that outlives the process."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sparkperso.core.errors import UsageError

MEMORY, OWN_FILE = ":memory:", 0o600
TABLE = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB)"


class Queue:
    """A bounded queue in SQLite. All threads of a process may use it; one process at a time.

    Raises UsageError for a file that another client holds, or that is none of ours.
    """

    def __init__(self, path: Path | str | None, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        try:
            self._db = _open(str(path) if path else MEMORY)
        except (sqlite3.Error, OSError) as error:
            raise UsageError(
                f"'{path}' should be the file of one client's queue",
                f"It cannot be used: {error}",
                "Give every process a file of its own",
            ) from None
        self._size: int = self._db.execute("SELECT count(*) FROM events").fetchone()[0]

    def __len__(self) -> int:
        return self._size

    def put(self, line: bytes) -> bool:
        """Appends an event; false when the queue, or the disk that it is on, is full.

        Raises UsageError once the queue is closed.
        """
        with self._lock:
            if self._size >= self._most or not self._insert(line):
                return False
            self._size += 1
            return True

    def head(self, events: int, size: int) -> list[tuple[int, bytes]]:
        """Returns the oldest events with their numbers: at least one, of `size` bytes in all."""
        with self._lock:
            query = "SELECT number, line FROM events ORDER BY number LIMIT ?"
            rows: list[tuple[int, bytes]] = self._db.execute(query, (events,)).fetchall()
        total, count = 0, 0
        # The first always goes, however long: else it would wait for ever.
        for _, line in rows:
            total += len(line) + 1
            if count and total > size:
                break
            count += 1
        return rows[:count]

    def remove(self, numbers: Iterable[int]) -> None:
        """Removes events by their numbers, all or none; those that are gone do no harm."""
        with self._lock:
            rows = [(number,) for number in numbers]
            with self._db:  # commits, or rolls back what a full disk leaves half done
                self._db.execute("BEGIN")
                gone = self._db.executemany("DELETE FROM events WHERE number = ?", rows).rowcount
            self._size -= gone

    def close(self) -> None:
        """Closes the file; what is in it is sent by the next client that opens it."""
        with self._lock:
            self._db.close()

    def _insert(self, line: bytes) -> bool:
        try:
            self._db.execute("INSERT INTO events (line) VALUES (?)", (line,))
        except sqlite3.OperationalError:
            return False
        except sqlite3.ProgrammingError:
            raise UsageError("Events are tracked while a client is open", "It is closed") from None
        return True


def _open(path: str) -> sqlite3.Connection:
    """Returns the database, locked against other processes: two would send everything twice.

    What waits in it is what people did: nobody but the process's own account may read the file.
    """
    if path != MEMORY:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWN_FILE))
        with suppress(PermissionError):  # another account's, which lets this one write
            os.chmod(path, OWN_FILE)
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive before WAL: the file is then this process's alone, without shared memory.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("BEGIN EXCLUSIVE")
        db.execute(TABLE)
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db
