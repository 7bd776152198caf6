"""Who read which profile: lines of JSON in files that only grow, beside the requests.

A line names the reader and the person by pseudonyms (`privacy.Pseudonyms`), so that whoever reads
the record learns of nobody; whoever asks about one person's profile looks for that pseudonym.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

import orjson

from sparkperso.config import Settings
from sparkperso.config.collect import SpoolConfig
from sparkperso.core.errors import JobError
from sparkperso.core.times import iso, now
from sparkperso.privacy import Pseudonyms
from sparkperso.services.access.caller import Caller
from sparkperso.services.sinks.backlog import Backlog
from sparkperso.services.sinks.base import Sink
from sparkperso.services.sinks.factory import spool_folder
from sparkperso.services.sinks.spool import Spool

log = logging.getLogger("sparkperso.access")

LINES = 200
"""Lines that are made at a time: a millisecond's work."""


class Read(NamedTuple):
    """One read of what is known of a person."""

    read_id: str
    at: datetime
    caller: Caller
    field: str
    person: str
    route: str


class Audit:
    """Notes reads at once, and has them written soon (`Backlog`); one event loop uses it."""

    def __init__(
        self,
        sink: Sink | None,
        pseudonyms: Pseudonyms,
        max_pending: int,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._pseudonyms, self._clock = pseudonyms, clock
        self._backlog: Backlog[Read] = Backlog(
            sink,
            lambda read: ("", self.line(read)),
            most=max_pending,
            lines=LINES,
            name="the audit",
            log=log,
        )

    @property
    def lost(self) -> int:
        """Returns how many reads were not kept."""
        return self._backlog.lost

    @property
    def failure(self) -> str | None:
        """Returns why lines wait for the disk; None where they do not."""
        return self._backlog.failure

    def user(self, caller: Caller, user_id: str, route: str) -> None:
        """Notes that a user's profile or segments were read.

        `route` is the route's pattern, such as `/v1/users/{id}/profile`: a path would have the id.
        """
        self._note(caller, "user_id", user_id, route)

    def visitor(self, caller: Caller, anonymous_id: str, route: str) -> None:
        """Notes that what is known of a visitor was read."""
        self._note(caller, "anonymous_id", anonymous_id, route)

    async def check(self) -> str | None:
        """Returns why reads cannot be written down now, or None."""
        return await self._backlog.check()

    async def start(self) -> None:
        """Begins to write, where there is a record at all."""
        await self._backlog.start()

    async def close(self) -> None:
        """Writes what waits, and closes the file."""
        await self._backlog.close()

    async def flush(self) -> None:
        """Writes what waits, as far as the disk takes it; `failure` says why it does not."""
        await self._backlog.flush()

    def line(self, read: Read) -> bytes:
        """Returns a line: read_id, at, reader, kind (of reader), field, person, route."""
        return orjson.dumps(
            {
                "read_id": read.read_id,
                "at": iso(read.at),
                "reader": self._reader(read.caller),
                "kind": read.caller.kind,
                "field": read.field,
                "person": self._name(read.field, read.person),
                "route": read.route,
            }
        )

    def _reader(self, caller: Caller) -> str:
        """Returns who read: a key by its configured name, all that a token names by a pseudonym."""
        if caller.kind == "key":
            return caller.name
        if caller.kind == "service":
            issuer = caller.name.split(":", 2)[1]
            return f"service:{issuer}:{self._name('service', caller.subject)}"
        return self._name("anonymous_id" if caller.is_anonymous else "user_id", caller.subject)

    def _name(self, field: str, value: str) -> str:
        try:
            return self._pseudonyms.of(field, value)
        except JobError:
            # A pseudonym of a key that was given up: it names nobody either.
            return value

    def _note(self, caller: Caller, field: str, person: str, route: str) -> None:
        if self._backlog.is_kept:
            self._backlog.add(Read(token_hex(16), self._clock(), caller, field, person, route))


def make_audit(settings: Settings, pseudonyms: Pseudonyms) -> Audit:
    """Returns the record of an environment, not started; without a file where it is switched off.

    Raises ConfigError where there is no folder of this machine for it.
    """
    config = settings.security.audit
    if not config.enabled:
        return Audit(None, pseudonyms, config.max_pending)
    folder = Path(config.folder) if config.folder else spool_folder(settings) / "audit"
    files = SpoolConfig(rotate_seconds=config.rotate_seconds, rotate_bytes=config.rotate_bytes)
    return Audit(Spool(folder, files), pseudonyms, config.max_pending)
