"""Open pages that are told of a person's segments as they change: one look serves all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from sparkperso.config.api import ApiConfig
from sparkperso.services.http.limits import ConcurrencyLimits
from sparkperso.services.http.problems import Problem, busy
from sparkperso.services.http.process.drain import DRAIN
from sparkperso.services.serve.engine.people import (
    ANONYMOUS,
    USER,
    People,
    Subject,
)
from sparkperso.services.serve.engine.store_access import StoreAccess, StoreUnavailable
from sparkperso.services.serve.metrics import ApiMetrics
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.records import CONSENTS, SEGMENTS, subject_id

AT_ONCE = 16
"""Pages that are looked at together: other requests read the store, too."""
RETRY_SECONDS = "5"
WATCH_SECONDS = 0.1
"""How often it is asked whether the process ends."""
log = logging.getLogger("sparkperso.serve")


class SegmentState(NamedTuple):
    """What a page is told."""

    segments: tuple[str, ...]
    """Ids of segments; none without consent to personalisation."""
    has_consent: bool


class SegmentStream:
    """One open page. Only the latest state waits for it: a slow reader leaves out what was between.

    `senders` are those whose places it takes: its address and its caller, None where not counted.
    """

    def __init__(self, subject: Subject, senders: tuple[str | None, str | None]) -> None:
        self.subject, self.senders = subject, senders
        self._latest: SegmentState | None = None
        self._told: SegmentState | None = None
        self._has_ended = False
        self._news = asyncio.Event()

    @property
    def addresses(self) -> list[Address]:
        """Returns the records whose changes concern it."""
        subject = self.subject
        named = ((USER, subject.user_id), (ANONYMOUS, subject.anonymous_id))
        found: list[Address] = [
            (CONSENTS, subject_id(name, one)) for name, one in named if one is not None
        ]
        return found if subject.user_id is None else [(SEGMENTS, subject.user_id), *found]

    def offer(self, state: SegmentState) -> None:
        """Notes what is to be told next, in the place of what was."""
        self._latest = state
        self._news.set()

    def end(self) -> None:
        """Has nothing told any more."""
        self._has_ended = True
        self._news.set()

    async def next(self) -> SegmentState | None:
        """Returns the latest state, once it is another one than was told; None at the end."""
        while not self._has_ended and (self._latest is None or self._latest == self._told):
            self._news.clear()
            await self._news.wait()
        self._told = self._latest
        return None if self._has_ended else self._latest


class SegmentStreams:
    """All open pages of a process. One task looks at the feed of changes, and reads who is in it.

    1. A page that opens is read at once, and so begins with the state of now.
    2. Every `api.streams.poll_seconds` the feed says whose segments or consent changed.
    3. Those are read, as each request is: consent first. A page is told where its state is another.
    4. At a new version, and where the feed has lost something, all are read.

    What could not be read stays to be read: pages keep what they have while the store is down.
    Once the process is told to end, all pages are sent away: they come back to another one.
    """

    def __init__(
        self, store: StoreAccess, people: People, config: ApiConfig, metrics: ApiMetrics
    ) -> None:
        limits = config.limits
        self._store, self._people, self._metrics = store, people, metrics
        self._poll_seconds = config.streams.poll_seconds
        self._most = min(limits.max_streams, limits.max_connections // 2)
        self._addresses = ConcurrencyLimits(limits.max_streams_per_address)
        self._callers = ConcurrencyLimits(limits.max_streams_per_address)
        self._open: dict[Address, set[SegmentStream]] = {}
        self._streams: set[SegmentStream] = set()
        self._unread: set[SegmentStream] = set()
        self._cursor: str | None = None
        self._version: str | None = None
        self._failed = self._has_ended = False
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, subject: Subject, address: str | None, caller: str | None) -> SegmentStream:
        """Returns a new page's stream, to be given to `close`; raises a Problem, 429 or 503."""
        if DRAIN.is_begun:
            raise busy("This process ends. Another one takes the stream.", int(RETRY_SECONDS))
        if len(self._streams) >= self._most:
            raise busy("This service has all the streams that it takes.", int(RETRY_SECONDS))
        if not self._addresses.take(address):
            raise _crowded("address")
        if not self._callers.take(caller):
            self._addresses.give_back(address)
            raise _crowded("user")
        stream = SegmentStream(subject, (address, caller))
        self._streams.add(stream)
        for one in stream.addresses:
            self._open.setdefault(one, set()).add(stream)
        self._unread.add(stream)
        self._metrics.streams.set(len(self._streams))
        self._wake.set()
        return stream

    def close(self, stream: SegmentStream) -> None:
        """Forgets a page, and gives its places back."""
        self._streams.discard(stream)
        self._unread.discard(stream)
        for one in stream.addresses:
            pages = self._open[one]
            pages.discard(stream)
            if not pages:
                del self._open[one]
        address, caller = stream.senders
        self._addresses.give_back(address)
        self._callers.give_back(caller)
        self._metrics.streams.set(len(self._streams))

    async def start(self) -> None:
        """Begins to look."""
        self._tasks = [asyncio.create_task(one) for one in (self._run(), self._watch())]

    async def end(self) -> None:
        """Looks no more."""
        self._has_ended = True
        self._wake.set()
        for task in self._tasks:
            # By itself not enough: `wait_for` of Python 3.11 may lose it.
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        """Sends pages away when this process begins to end: a server waits for open answers."""
        while not (DRAIN.is_begun or self._has_ended):
            await asyncio.sleep(WATCH_SECONDS)
        for stream in self._streams:
            stream.end()

    async def _run(self) -> None:
        while not self._has_ended:
            if not self._streams:
                # Nobody is there: the feed is not asked, and taken up where it is when one comes.
                self._cursor = None
                await self._wake.wait()
            self._wake.clear()
            try:
                await self._look()
                self._failed = False
            except Exception as error:
                if not self._failed:
                    log.warning("pages are not told of changes: %s", error)
                self._failed = True
            with suppress(asyncio.TimeoutError):
                # After a failure no page that opens shortens the pause.
                woken = asyncio.Event() if self._failed else self._wake
                await asyncio.wait_for(woken.wait(), self._poll_seconds)

    async def _look(self) -> None:
        """Reads those in whose records something changed, and those that were not read yet."""
        await self._read_feed()
        manifest = self._store.manifest
        version = manifest.name if manifest else None
        if version != self._version:
            self._version = version
            self._unread |= self._streams
        waiting = list(self._unread)
        for begin in range(0, len(waiting), AT_ONCE):
            await self._read(waiting[begin : begin + AT_ONCE])

    async def _read_feed(self) -> None:
        reader, first = self._store.reader, self._cursor is None
        while True:
            # The first time it only says where it is: what is read after that is not older.
            page = await reader.changes_since(self._cursor)
            self._cursor = page.cursor
            if not page.is_whole or first:
                self._unread |= self._streams
            for address in page.addresses:
                self._unread |= self._open.get(address, set())
            if not page.addresses:
                return

    async def _read(self, streams: Sequence[SegmentStream]) -> None:
        people = [self._people.person(stream.subject) for stream in streams]
        found = await asyncio.gather(*people, return_exceptions=True)
        for stream, person in zip(streams, found, strict=True):
            if isinstance(person, StoreUnavailable):
                continue
            self._unread.discard(stream)
            if isinstance(person, BaseException):
                # A record that cannot be read is one person's: others are told, and this one is
                # read again when something changes.
                log.error("a page is not told of changes", exc_info=person)
                continue
            ids = tuple(one["segment_id"] for one in person.segments)
            stream.offer(SegmentState(ids, person.may_personalise))


def _crowded(who: str) -> Problem:
    detail = f"This {who} has all the streams that one may have."
    return Problem(429, "too_many", detail, {"Retry-After": RETRY_SECONDS})
