"""What was sent to whom: so that nobody gets the same mail twice, whatever dies in between.

A mail is noted before it is handed over (`sending`), and again when the server took it (`sent`).
What was being handed over when a run died may have been taken: it is not sent again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from sparkperso.core.errors import JobError
from sparkperso.core.times import iso, now

State = Literal["sending", "sent", "refused"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    campaign TEXT NOT NULL, user_id TEXT NOT NULL, data TEXT NOT NULL,
    state TEXT NOT NULL, at TEXT NOT NULL, code INTEGER,
    PRIMARY KEY (campaign, user_id, data)
) WITHOUT ROWID
"""
LOCK_SECONDS: Final = 30.0


class Ledger:
    """A SQLite file. It holds user ids and times, and no address."""

    def __init__(self, path: Path) -> None:
        """Raises JobError for a file that cannot be opened or written."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            self._file = sqlite3.connect(path, LOCK_SECONDS, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            # A note that a power cut takes back would be a second mail.
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise JobError(
                f"The ledger of sent mails should be a file that can be written: {path}",
                str(error),
                "Name another with --ledger",
            ) from None

    def claim(self, campaign: str, user_id: str, data: Mapping[str, str]) -> State | None:
        """Notes that a mail is being sent, and returns None; else what is known of it already."""
        key = (campaign, user_id, _digest(data))
        cursor = self._execute(
            "INSERT OR IGNORE INTO mails VALUES (?, ?, ?, 'sending', ?, NULL)", (*key, iso(now()))
        )
        if cursor.rowcount == 1:
            return None
        found = self._execute(
            "SELECT state FROM mails WHERE campaign = ? AND user_id = ? AND data = ?", key
        )
        row = found.fetchone()
        return row[0] if row else self.claim(campaign, user_id, data)

    def settle(
        self,
        campaign: str,
        user_id: str,
        data: Mapping[str, str],
        state: State,
        code: int | None = None,
    ) -> None:
        """Notes what became of a mail that was claimed; `code` is the server's."""
        self._execute(
            "UPDATE mails SET state = ?, at = ?, code = ? "
            "WHERE campaign = ? AND user_id = ? AND data = ?",
            (state, iso(now()), code, campaign, user_id, _digest(data)),
        )

    def release(self, campaign: str, user_id: str, data: Mapping[str, str]) -> None:
        """Forgets a claim: the mail was surely not taken, and may be sent later."""
        self._execute(
            "DELETE FROM mails WHERE campaign = ? AND user_id = ? AND data = ?",
            (campaign, user_id, _digest(data)),
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        try:
            return self._file.execute(statement, values)
        except sqlite3.Error as error:
            raise JobError(
                f"The ledger of sent mails should take notes: {self._path}",
                str(error),
                "Without it a mail might be sent twice; the same command goes on where it stopped",
            ) from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _digest(data: Mapping[str, str]) -> str:
    """Two orders are two mails of a campaign; what is in them is nobody's business here."""
    if not data:
        return ""
    text = "\0".join(f"{name}\1{data[name]}" for name in sorted(data))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
