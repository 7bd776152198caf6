"""What people decided, in a SQLite file beside the spool: the collector's own, quick memory.

The decisions themselves are events, which ingest turns into silver/consents; this file only has to
answer within microseconds. It belongs to one machine: collectors on several share none.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sparkperso.core.consent import Decision, Decisions
from sparkperso.services.collect.intake.consent_outbox import (
    PURPOSES,
    ConsentOutbox,
    Subject,
    drop_outbox,
)
from sparkperso.services.http.problems import busy
from sparkperso.services.sinks.spool_file import OWN_FILE, OWN_FOLDER

SCHEMA = """
CREATE TABLE IF NOT EXISTS consents (
    site TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, purpose TEXT NOT NULL,
    granted INTEGER NOT NULL, decided_at TEXT NOT NULL,
    PRIMARY KEY (site, kind, subject, purpose)
) WITHOUT ROWID
"""
IS_OLD = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'decisions'"
RENEW = (
    """
INSERT OR IGNORE INTO consents SELECT site, kind, subject, purpose, granted, decided_at
FROM decisions, (SELECT 'user_id' AS kind UNION ALL SELECT 'anonymous_id')
""",
    "DROP TABLE decisions",
)
"""A file of before kinds were kept: each decision goes on to hold for both."""
UPSERT = """
INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (site, kind, subject, purpose) DO UPDATE SET
    granted = excluded.granted, decided_at = max(decided_at, excluded.decided_at)
WHERE NOT excluded.granted OR excluded.decided_at > decided_at
"""
"""A no always holds; a yes that comes late, from a queue or a retry, undoes no later no."""
SELECT = """
SELECT purpose, granted, decided_at FROM consents WHERE site = ? AND kind = ? AND subject = ?
"""
LOCK_SECONDS = 0.5
"""How long a decision waits for another process's; all requests of this one wait with it."""
LOOK_SECONDS = 0.25
"""How often it is asked whether another process of this machine has written decisions."""

PSEUDONYMS = "SELECT * FROM consents WHERE subject GLOB '*:*:*'"
DELETE = "DELETE FROM consents WHERE site = ? AND kind = ? AND subject = ? AND purpose = ?"
Named = tuple[str, str, Mapping[str, bool], str]
"""Kind of identifier, identifier, purpose → yes or no, time."""
Row = tuple[str, str, str, str, int, str]
"""Site, kind, identifier, purpose, yes (1) or no (0), time."""


class ConsentStore:
    """Purpose → decision, by site, kind of identifier and identifier (it may be a pseudonym).

    The kind is `user_id` or `anonymous_id`: a device that calls itself as a user is called decides
    nothing for that user.
    """

    def __init__(
        self,
        path: Path,
        size: int = 200_000,
        clock: Callable[[], float] = time.monotonic,
        *,
        has_outbox: bool | None = None,
    ) -> None:
        """`has_outbox` is what a collector says, True where the serving store is told of decisions.

        None: whoever only reads beside a collector, whose outbox stays as it is.
        """
        path.parent.mkdir(mode=OWN_FOLDER, parents=True, exist_ok=True)
        path.touch(OWN_FILE)
        for name in path.parent.glob(f"{path.name}*"):  # those beside it take after it
            name.chmod(OWN_FILE)
        # The loop's thread opens it, uses it and closes it.
        self._file = sqlite3.connect(
            path, LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._file.execute("PRAGMA journal_mode = WAL")
        # A decision is durable when its request is answered: a power cut must not undo a no.
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute(SCHEMA)
        self.outbox: ConsentOutbox | None = None
        """Whose decisions are to be told to the serving store; None: it is not told."""
        with self._transaction():  # what an earlier version kept, at once with its end
            if self._file.execute(IS_OLD).fetchone()[0]:
                for statement in RENEW:
                    self._file.execute(statement)
            if has_outbox:
                self.outbox = ConsentOutbox(self._file)
            elif has_outbox is False:
                drop_outbox(self._file)
        self.listeners: list[Callable[[], None]] = []
        """Called when somebody has decided what others are told."""
        self._known: OrderedDict[tuple[str, str, str], Decisions] = OrderedDict()
        self._size, self._clock = size, clock
        self._looked_at, self._version = clock(), self._data_version()

    def get(self, site: str, kind: str, subject: str) -> Decisions:
        """Returns purpose → decision of one identifier; empty when it never decided.

        From memory, where `size` identifiers are kept; another process's decisions show within
        LOOK_SECONDS.
        """
        self._forget_what_others_changed()
        key = (site, kind, subject)
        decisions = self._known.get(key)
        if decisions is None:
            rows = self._file.execute(SELECT, key)
            decisions = {purpose: Decision(bool(granted), time) for purpose, granted, time in rows}
            self._known[key] = decisions
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return decisions

    def put_all(self, site: str, decisions: Iterable[Named]) -> None:
        """Keeps decisions of identifiers durably, all or none; those of other purposes stay.

        Raises a 503 Problem when they cannot be written.

        Each comes with its time (ISO 8601, of one length): a yes holds over decisions before it.
        """
        rows = [
            (site, kind, subject, purpose, int(granted), decided_at)
            for kind, subject, answers, decided_at in decisions
            for purpose, granted in answers.items()
        ]
        # After the commit it is read anew: what is known must never be older than the file.
        with self._transaction():
            self._file.executemany(UPSERT, rows)
            is_noted = self._note(rows)
        for _, kind, subject, *_ in rows:
            self._known.pop((site, kind, subject), None)
        if is_noted:
            for listener in self.listeners:
                listener()

    def rename(self, name_of: Callable[[str], str]) -> int:
        """Puts `name_of(subject)` for subjects that look like pseudonyms, as after a new key.

        Returns how many decisions moved. Of two that meet, the rules of `put_all` say which holds.
        Raises a 503 Problem, as `put_all` does.
        """
        with self._transaction():
            rows = self._file.execute(PSEUDONYMS).fetchall()
            moved = [(row, name_of(row[2])) for row in rows]
            moved = [(row, name) for row, name in moved if name != row[2]]
            self._file.executemany(DELETE, [row[:4] for row, _ in moved])
            rows = [(*row[:2], name, *row[3:]) for row, name in moved]
            self._file.executemany(UPSERT, rows)
            self._note(rows)
        self._known.clear()
        return len(moved)

    def _note(self, rows: Iterable[Row]) -> bool:
        """Has decisions told that are to be told; says whether there are any."""
        subjects = [
            Subject(kind, name) for _, kind, name, purpose, *_ in rows if purpose in PURPOSES
        ]
        if self.outbox and subjects:
            self.outbox.note(dict.fromkeys(subjects))
        return bool(subjects)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            self._file.execute("COMMIT")
        except sqlite3.OperationalError as error:  # a full disk, or another process's long lock
            logging.getLogger(__name__).warning("the decision was not stored: %s", error)
            raise busy("The decision could not be stored.") from error
        finally:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the file."""
        if self.outbox:
            # Another process may be writing; what stays is told once more, which does no harm.
            with suppress(sqlite3.OperationalError):
                self.outbox.close()
        self._file.close()

    def _forget_what_others_changed(self) -> None:
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at, version = now, self._data_version()
        if version != self._version:
            self._version = version
            self._known.clear()

    def _data_version(self) -> int:
        return int(self._file.execute("PRAGMA data_version").fetchone()[0])
