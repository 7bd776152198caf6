"""Messages that are to be delivered, and how far the history was read: a file of SQLite.

What was read and what is to be sent because of it are noted in one step, so that nothing of the
history is left out or queued twice, whatever dies. A delivery leaves the queue after it was taken,
or after it stands in ops/dead_letters: what dies in between repeats that, under the same id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from sparkperso.core.errors import JobError
from sparkperso.platform.table_feed import Place
from sparkperso.services.triggers.message import Message

SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, delivery_id TEXT NOT NULL UNIQUE, trigger TEXT NOT NULL,
    host TEXT NOT NULL, user_id TEXT NOT NULL, segment TEXT NOT NULL, change TEXT NOT NULL,
    body TEXT NOT NULL, version INTEGER NOT NULL, first_at REAL NOT NULL, due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, last_status INTEGER, last_error TEXT,
    dead_at REAL
);
CREATE INDEX IF NOT EXISTS due ON deliveries (trigger, due_at) WHERE dead_at IS NULL;
CREATE INDEX IF NOT EXISTS person ON deliveries (trigger, user_id, seq) WHERE dead_at IS NULL;
CREATE INDEX IF NOT EXISTS dead ON deliveries (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS oldest ON deliveries (trigger, first_at) WHERE dead_at IS NULL;
CREATE INDEX IF NOT EXISTS version ON deliveries (version);
CREATE TABLE IF NOT EXISTS bookmark (
    one INTEGER PRIMARY KEY CHECK (one = 1), table_id TEXT NOT NULL, version INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS gone (trigger TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS replays (
    delivery_id TEXT NOT NULL, last_at TEXT NOT NULL, PRIMARY KEY (delivery_id, last_at)
) WITHOUT ROWID;
"""
LOCK_SECONDS: Final = 30.0
FILE: Final = "queue.sqlite"
NO_TABLE: Final = Place("", -1)
"""The bookmark of a history that was not there yet: its first rows are new."""
REPLAYED: Final = -1
"""The version of a delivery that no version of the history brought."""


@dataclass(frozen=True)
class Delivery:
    """A message in the queue, and what became of it so far."""

    delivery_id: str
    trigger: str
    host: str
    user_id: str
    segment: str
    change: str
    body: str
    first_at: float
    """Seconds since 1970."""
    attempts: int
    last_status: int | None
    last_error: str | None
    dead_at: float | None
    """When it was given up; None where it is still to be tried."""


COLUMNS = ", ".join(one.name for one in fields(Delivery))


@dataclass(frozen=True)
class Backlog:
    """What waits for one trigger."""

    n: int
    oldest: float
    """When the oldest came, in seconds since 1970."""


class Queue:
    """The file; one process delivers from it, others may look and add to it."""

    def __init__(self, folder: Path) -> None:
        """Raises JobError for a folder that cannot be written."""
        self._path = folder / FILE
        with self._noting():
            folder.mkdir(parents=True, exist_ok=True)
            # It holds who is in which segment.
            self._path.touch(0o600)
            self._file = sqlite3.connect(
                self._path, LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            # A power cut may take notes back, all that came after them too: what they were about is
            # then read, or sent, once more.
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def bookmark(self) -> Place | None:
        """Returns up to where the history was read; None where it never was."""
        row = self._one("SELECT table_id, version FROM bookmark")
        return Place(*row) if row else None

    def add(self, messages: Sequence[Message], version: int, at: float) -> None:
        """Queues messages, but for those that wait already."""
        with self._transaction():
            self._insert(messages, version, at)

    def move_on(self, place: Place, messages: Sequence[Message] = (), at: float = 0.0) -> None:
        """Notes that the history was read up to `place`, and queues what that brought, in one."""
        with self._transaction():
            self._insert(messages, place.version, at)
            self._file.execute("INSERT OR REPLACE INTO bookmark VALUES (1, ?, ?)", place)

    def settled(self) -> Place | None:
        """Returns up to where everything that the history brought is delivered, or given up."""
        place = self.bookmark()
        if place is None:
            return None
        row = self._one("SELECT min(version) FROM deliveries WHERE version > ?", (REPLAYED,))
        return place if row is None or row[0] is None else Place(place.table_id, row[0] - 1)

    def due(self, trigger: str, at: float, most: int) -> list[Delivery]:
        """Returns what is to be tried now: of one person, only the earliest that is not settled."""
        rows = self._all(
            f"SELECT {COLUMNS} FROM deliveries AS d WHERE trigger = ? AND dead_at IS NULL"
            " AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM deliveries AS e WHERE"
            " e.trigger = d.trigger AND e.user_id = d.user_id AND e.seq < d.seq"
            " AND e.dead_at IS NULL) ORDER BY due_at, seq LIMIT ?",
            (trigger, at, most),
        )
        return [Delivery(*row) for row in rows]

    def remove(self, delivery_ids: Sequence[str]) -> None:
        """Forgets deliveries that are settled."""
        with self._transaction():
            self._file.executemany(
                "DELETE FROM deliveries WHERE delivery_id = ?", [(one,) for one in delivery_ids]
            )

    def postpone(
        self, delivery_id: str, due_at: float, status: int | None, error: str, *, tried: bool = True
    ) -> None:
        """Notes why a delivery is to be tried again, and when; `tried`: whether that was a try."""
        self._do(
            "UPDATE deliveries SET due_at = ?, attempts = attempts + ?, last_status = ?,"
            " last_error = ? WHERE delivery_id = ?",
            (due_at, int(tried), status, error, delivery_id),
        )

    def give_up(
        self, delivery_id: str, at: float, status: int | None, error: str, *, tried: bool = True
    ) -> None:
        """Notes that a delivery is a dead letter; it stays here until `dead` was written down."""
        self._do(
            "UPDATE deliveries SET dead_at = ?, attempts = attempts + ?, last_status = ?,"
            " last_error = ? WHERE delivery_id = ?",
            (at, int(tried), status, error, delivery_id),
        )

    def give_up_all(self, trigger: str, at: float, error: str, except_for: Sequence[str]) -> int:
        """Makes dead letters of all that waits for a trigger; returns how many."""
        listed = ", ".join("?" * len(except_for))
        cursor = self._do(
            "UPDATE deliveries SET dead_at = ?, last_error = ? WHERE trigger = ?"
            f" AND dead_at IS NULL AND delivery_id NOT IN ({listed})",
            (at, error, trigger, *except_for),
        )
        return cursor.rowcount

    def dead(self, most: int) -> list[Delivery]:
        """Returns dead letters that are to be written down."""
        rows = self._all(
            f"SELECT {COLUMNS} FROM deliveries WHERE dead_at IS NOT NULL ORDER BY seq LIMIT ?",
            (most,),
        )
        return [Delivery(*row) for row in rows]

    def backlog(self) -> dict[str, Backlog]:
        """Returns trigger → what waits for it, of those that something waits for."""
        rows = self._all(
            "SELECT trigger, count(*), min(first_at) FROM deliveries WHERE dead_at IS NULL"
            " GROUP BY trigger ORDER BY trigger"
        )
        return {trigger: Backlog(n, oldest) for trigger, n, oldest in rows}

    def count(self) -> int:
        """Returns how many deliveries the file holds."""
        return int(self._one("SELECT count(*) FROM deliveries")[0])

    def disable(self, trigger: str, fingerprint: str) -> None:
        """Notes that a receiver is gone: its trigger rests until its file is another."""
        self._do("INSERT OR REPLACE INTO gone VALUES (?, ?)", (trigger, fingerprint))

    def disabled(self) -> dict[str, str]:
        """Returns trigger → fingerprint of its file when its receiver was gone."""
        return dict(self._all("SELECT trigger, fingerprint FROM gone"))

    def enable(self, trigger: str) -> None:
        """Lets a trigger fire again."""
        self._do("DELETE FROM gone WHERE trigger = ?", (trigger,))

    def replay(self, letters: Sequence[tuple[Message, str]], at: float) -> int:
        """Queues dead letters anew, each once; returns how many.

        A letter is its message and the time when it was given up (ISO 8601).
        """
        n = 0
        with self._transaction():
            for message, last_at in letters:
                key = message.delivery_id
                if self._file.execute(
                    "SELECT 1 FROM deliveries WHERE delivery_id = ? AND dead_at IS NOT NULL", (key,)
                ).fetchone():
                    continue  # it is still being written down
                cursor = self._file.execute(
                    "INSERT OR IGNORE INTO replays VALUES (?, ?)", (key, last_at)
                )
                if cursor.rowcount:
                    n += self._insert([message], REPLAYED, at)
        return n

    def replayed(self) -> set[tuple[str, str]]:
        """Returns (delivery id, time when it was given up) of dead letters that were replayed."""
        return set(self._all("SELECT delivery_id, last_at FROM replays"))

    def waiting_ids(self) -> set[str]:
        """Returns the ids of all that is still to be tried."""
        rows = self._all("SELECT delivery_id FROM deliveries WHERE dead_at IS NULL")
        return {row[0] for row in rows}

    def _insert(self, messages: Sequence[Message], version: int, at: float) -> int:
        rows: list[Mapping[str, Any]] = [
            {**asdict(one), "version": version, "at": at} for one in messages
        ]
        cursor = self._file.executemany(
            "INSERT INTO deliveries (delivery_id, trigger, host, user_id, segment,"
            " change, body, version, first_at, due_at) VALUES (:delivery_id, :trigger, :host,"
            " :user_id, :segment, :change, :body, :version, :at, :at)"
            " ON CONFLICT (delivery_id) DO NOTHING",
            rows,
        )
        return max(cursor.rowcount, 0)

    def _do(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with self._noting():
            return self._file.execute(statement, values)

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._noting():
            return self._file.execute(statement, values).fetchall()

    def _one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        with self._noting():
            return self._file.execute(statement, values).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._noting():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise JobError(
                f"The queue of triggers should be a file that can be written: {self._path}",
                str(error),
                "Set triggers.folder, or let this user write there",
            ) from None
