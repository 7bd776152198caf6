"""gold/session_index → the session model's file in a version; what it answers is read back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sparkperso.core.errors import JobError
from sparkperso.pipeline.job import Job
from sparkperso.recommend.registered.session_model import COLUMNS, SessionModel, session_model
from sparkperso.services.stores.base import Draft, VersionReader
from sparkperso.services.stores.records import SESSIONS
from sparkperso.services.stores.session_file import pack_session_model

SESSION_INDEX = "gold/session_index"
PLACES = 20
"""Length of the lists that are compared."""


class SessionIndex:
    """The sessions of the table, and what their model says, in this process."""

    def __init__(self, job: Job) -> None:
        # At most recommend.sessions.max_sessions: build-recommendations leaves out the others.
        self.rows: pa.Table = job.read(SESSION_INDEX).select(*COLUMNS).toArrow()
        self.model: SessionModel | None = None
        if self.rows.num_rows:
            self.model = session_model(self.rows, job.settings.recommend.sessions.served)

    @property
    def n_sessions(self) -> int:
        """Returns how many sessions the model holds."""
        return self.model.model.index.n_sessions if self.model else 0

    def write(self, draft: Draft) -> None:
        """Writes the model into a draft; of no sessions there is none."""
        if self.model:
            draft.write_file(SESSIONS, pack_session_model(self.model))

    def require_same_answers(self, version: VersionReader, n_sessions: int) -> int:
        """Asks the version what comes next in some sessions; returns how many were asked about.

        Sessions are chosen by their ids, which are hashes; of each all items but the last are asked
        about. Raises JobError for the first answer that is not the model's of the table.
        """
        stored = version.session_model()
        if self.model is None or stored is None:
            if (self.model is None) != (stored is None):
                raise self._other("none" if stored is None else "one", "a version")
            return 0
        order = pc.sort_indices(self.rows.column("session_id"))[:n_sessions]
        for row in self.rows.take(order).to_pylist():
            recent = row["items"][:-1]
            if stored.next_items(recent, PLACES) != self.model.next_items(recent, PLACES):
                raise self._other("another answer", f"session {row['session_id'][:8]}…")
        return len(order)

    def _other(self, found: str, what: str) -> JobError:
        return JobError(
            f"The session index of {what} should answer as {SESSION_INDEX} does",
            f"Found {found}",
            "Publish anew",
        )
