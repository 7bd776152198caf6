"""Whose decisions are still to be told to the serving store, in the decisions' own file.

Who decides is noted in the transaction that keeps the decision, so that nobody is forgotten,
whatever dies or does not answer. What was told is removed with the next decision: a file is synced
once for both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import uuid4

from sparkperso.core.consent import Decision, Purpose
from sparkperso.services.stores.records import DECISIONS

PERSONALISATION: Purpose = "personalisation"
PURPOSES = tuple(DECISIONS)
"""What the serving store knows decisions on."""
_OF_PURPOSES = f"purpose IN ({', '.join(map(repr, PURPOSES))})"
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS outbox (name TEXT NOT NULL)",
    """
CREATE TABLE IF NOT EXISTS untold (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL
)
""",
    f"CREATE INDEX IF NOT EXISTS told ON consents (kind, subject, purpose) WHERE {_OF_PURPOSES}",
)
DROP = (
    "DROP TABLE IF EXISTS outbox",
    "DROP TABLE IF EXISTS untold",
    "DROP INDEX IF EXISTS told",
)
NOTE = "INSERT INTO untold (kind, subject) VALUES (?, ?)"
FORGET = "DELETE FROM untold WHERE number <= ?"
WAITING = "SELECT number, kind, subject FROM untold WHERE number > ? ORDER BY number LIMIT ?"
PAGE = f"""
SELECT DISTINCT kind, subject FROM consents
WHERE {_OF_PURPOSES} AND (kind, subject) > (?, ?) ORDER BY kind, subject LIMIT ?
"""
STATES = f"""
SELECT purpose, site, granted, decided_at FROM consents
WHERE {_OF_PURPOSES} AND kind = ? AND subject = ?
"""


class Subject(NamedTuple):
    """Who decided: a kind of identifier, and the identifier."""

    kind: str
    identifier: str


FIRST = Subject("", "")
"""Stands before all subjects."""


class ConsentOutbox:
    """Subjects whose decision is to be told, in the order in which they decided."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file, self._told = file, 0
        self._make()

    def _make(self) -> None:
        """Makes the outbox, unless it is there."""
        for statement in SCHEMA:
            self._file.execute(statement)
        if self._file.execute("SELECT count(*) FROM outbox").fetchone()[0] == 0:
            self._file.execute("INSERT INTO outbox VALUES (?)", (uuid4().hex,))
            self._told = 0

    @property
    def name(self) -> str:
        """Returns what this outbox is called, since it was made."""
        return str(self._file.execute("SELECT name FROM outbox").fetchone()[0])

    def note(self, subjects: Iterable[Subject]) -> None:
        """Adds subjects, in the transaction that keeps what they decided."""
        # Another collector of this file may have dropped it, which keeps nobody's decision.
        self._make()
        self._file.execute(FORGET, (self._told,))
        self._file.executemany(NOTE, subjects)

    def waiting(self, most: int) -> tuple[list[Subject], int]:
        """Returns up to `most` subjects that are to be told, and the number of the last one."""
        rows = self._file.execute(WAITING, (self._told, most)).fetchall()
        subjects = [Subject(*row[1:]) for row in rows]
        return list(dict.fromkeys(subjects)), rows[-1][0] if rows else self._told

    def told(self, number: int) -> None:
        """Notes that those up to a number were told."""
        self._told = max(self._told, number)

    def everybody(self, after: Subject, most: int) -> list[Subject]:
        """Returns up to `most` of all who ever decided, in an order, after one of them."""
        return [Subject(*row) for row in self._file.execute(PAGE, (*after, most))]

    def decisions(self, subject: Subject) -> Mapping[Purpose, Mapping[str, Decision]]:
        """Returns purpose → site → what it was told."""
        found: dict[Purpose, dict[str, Decision]] = {}
        for purpose, site, granted, decided_at in self._file.execute(STATES, subject):
            found.setdefault(purpose, {})[site] = Decision(bool(granted), decided_at)
        return found

    def close(self) -> None:
        """Removes those that were told."""
        self._file.execute(FORGET, (self._told,))


def drop_outbox(file: sqlite3.Connection) -> None:
    """Forgets the outbox of a file: one that is made later is another, and tells of everybody."""
    for statement in DROP:
        file.execute(statement)
