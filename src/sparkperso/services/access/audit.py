"""Who read which profile: lines of JSON in files that only grow, beside the requests.

A line names the reader and the person by pseudonyms (`privacy.Pseudonyms`), so that whoever reads
the record learns of nobody; whoever asks about one person's profile looks for that pseudonym.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from sparkperso.config import Settings
from sparkperso.config.collect import SpoolConfig
from sparkperso.core.errors import JobError
from sparkperso.core.times import iso, now
from sparkperso.privacy import Pseudonyms
from sparkperso.services.access.caller import Caller
from sparkperso.services.http.problems import Problem
from sparkperso.services.sinks.base import Sink
from sparkperso.services.sinks.factory import spool_folder
from sparkperso.services.sinks.spool import Spool

log = logging.getLogger("sparkperso.access")

FLUSH_SECONDS = 0.2
"""How long a line waits at most: what a killed process loses."""
RETRY_SECONDS = 1.0
"""How long to wait where the disk does not take lines."""
LINES = 200
"""Lines that are made at a time: a millisecond's work."""


class Read(NamedTuple):
    """One read of what is known of a person."""

    at: datetime
    caller: Caller
    field: str
    person: str
    route: str


class Audit:
    """Notes reads at once, and writes them soon; one event loop uses it.

    A request never waits for the disk. Lines that the disk does not take are kept, up to
    `max_pending`, and written once it does; what comes beyond is lost, counted in `lost`, and said
    in the log.
    """

    def __init__(
        self,
        sink: Sink | None,
        pseudonyms: Pseudonyms,
        max_pending: int,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._sink, self._pseudonyms, self._most, self._clock = (
            sink,
            pseudonyms,
            max_pending,
            clock,
        )
        self._pending: deque[Read] = deque()
        # A flush that is under way is never cut off, nor doubled: its lines would come twice.
        self._flushing, self._is_ended = asyncio.Lock(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        self.failure: str | None = None

    def user(self, caller: Caller, user_id: str, route: str) -> None:
        """Notes that a user's profile or segments were read.

        `route` is the route's pattern, such as `/v1/users/{id}/profile`: a path would have the id.
        """
        self._note(caller, "user_id", user_id, route)

    def visitor(self, caller: Caller, anonymous_id: str, route: str) -> None:
        """Notes that what is known of a visitor was read."""
        self._note(caller, "anonymous_id", anonymous_id, route)

    async def start(self) -> None:
        """Begins to write, where there is a record at all."""
        if self._sink is not None:
            await self._sink.start()
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Writes what waits, and closes the file."""
        if self._task is None or self._sink is None:
            return
        self._is_ended.set()
        await self._task
        await self.flush()
        if self._pending:
            log.error("%d lines of the audit are lost: %s", len(self._pending), self.failure)
        await self._sink.close()

    async def flush(self) -> None:
        """Writes what waits, as far as the disk takes it; `failure` says why it does not."""
        async with self._flushing:
            while self._pending and self._sink is not None:
                part = [*islice(self._pending, LINES)]
                try:
                    await self._sink.put([("", self.line(read)) for read in part])
                except Problem as problem:
                    if self.failure is None:
                        log.warning("the audit waits for the disk: %s", problem.detail)
                    self.failure = problem.detail
                    return
                self.failure = None
                for _ in part:
                    self._pending.popleft()

    def line(self, read: Read) -> bytes:
        """Returns a line: `at`, `reader`, `kind` (of reader), `field`, `person`, `route`."""
        return orjson.dumps(
            {
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
        if self._sink is None:
            return
        if len(self._pending) >= self._most:
            if not self.lost:
                log.error("lines of the audit are lost: %d wait for the disk", self._most)
            self.lost += 1
            return
        self._pending.append(Read(self._clock(), caller, field, person, route))

    async def _work(self) -> None:
        while not self._is_ended.is_set():
            seconds = FLUSH_SECONDS if self.failure is None else RETRY_SECONDS
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_ended.wait(), seconds)
            await self.flush()


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
