"""What the collector tells the serving store: who decided what, and what they did a moment ago.

Decisions go first, and at once; they wait in the decisions' own file until they are told
(`consent_outbox`). Events wait in memory, some tenths of a second, and not for ever. Nobody who
sends events waits for any of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from sparkperso.config.collect import RecentConfig
from sparkperso.core.times import now, read_time
from sparkperso.services.collect.intake.consent_gate import PERSONS, Event
from sparkperso.services.collect.intake.consent_outbox import (
    FIRST,
    PERSONALISATION,
    ConsentOutbox,
    Subject,
)
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.http.write_keys import SiteKey
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.live_records.consents import KEPT, with_decisions
from sparkperso.services.stores.live_records.recent import RecentEvent, removal, with_events
from sparkperso.services.stores.overlay import RECENT, Change, LiveRecord, Overlay
from sparkperso.services.stores.records import CONSENTS, DECISIONS, subject_id

BATCH = 500
"""Subjects that are told at a time."""
MOST_EVENTS = 2_000
"""Events that are told at a time."""
PAUSE = 4
"""Pause after a write of events, in lengths of that write: requests need the processor more."""
LOOK_SECONDS = 1.0
"""How often it is asked whether there is something to tell that nobody woke this for."""
CHECK_SECONDS = 5.0
"""How often it is asked whether the overlay has forgotten everything."""
PRUNE_SECONDS = 3600.0
LONGEST_PAUSE = 2.0
"""Between two tries of an overlay that does not answer."""
CLOSE_SECONDS = 3.0
"""What is still to be told at the end may take so long."""

log = logging.getLogger("sparkperso.collect")
T = TypeVar("T")


class _Waiting(NamedTuple):
    """What is kept of an event until it is told."""

    key: SiteKey
    persons: Mapping[str, str]
    """Kind of identifier → identifier."""
    item_id: str
    event_type: str
    at: str
    received_at: str

    def event(self) -> RecentEvent:
        """Returns what the overlay keeps of it."""
        times = read_time(self.at), read_time(self.received_at)
        return RecentEvent(self.item_id, self.event_type, *times)


class OverlayFeed:
    """Tells the overlay; one event loop uses it, and the overlay is used in a thread of its own."""

    def __init__(
        self,
        overlay: Overlay,
        outbox: ConsentOutbox,
        config: RecentConfig,
        metrics: Metrics,
        decision_of: Callable[[Event, SiteKey], bool | None],
    ) -> None:
        self._overlay, self._outbox, self._config, self._metrics = overlay, outbox, config, metrics
        self._decision_of = decision_of
        self._reach = timedelta(hours=config.hours)
        self.event_types = frozenset(config.event_types)
        """Types of events that are told."""
        self._events: deque[_Waiting] = deque()
        self._wake, self._urgent, self._ended = (asyncio.Event() for _ in range(3))
        self._thread = ThreadPoolExecutor(1, "overlay")
        self._failures = 0
        self._next_events = self._next_check = 0.0
        self._next_prune = time.monotonic() + PRUNE_SECONDS
        self._page: Subject | None = None
        """The last one of all who decided that was told; None where the overlay knows them all."""
        self._task: asyncio.Task[None] | None = None

    def add(self, key: SiteKey, events: Iterable[Event]) -> None:
        """Has events told that are durable, of people who allow it; the oldest ones may be lost."""
        self._wake.set()
        for event in events:
            received_at = event["collected"]["received_at"]
            persons = {name: event[name] for name in PERSONS if name in event}
            at = min(event["timestamp"], received_at)
            names = (event["item_id"], event["event_type"])
            self._events.append(_Waiting(key, persons, *names, at, received_at))
        self._drop()

    def wake(self) -> None:
        """Has decisions told at once."""
        self._urgent.set()
        self._wake.set()

    async def start(self) -> None:
        """Begins to tell."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Tells what waits, as far as the overlay answers, and closes it."""
        self._ended.set()
        self.wake()
        if self._task:
            # Not cancelled: `wait_for` of Python 3.11 may lose that.
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        try:
            await asyncio.wait_for(self._tell_rest(), CLOSE_SECONDS)
            await self._in_thread(self._overlay.close)
        except Exception as error:
            log.warning("the serving store was not told of the last events: %s", _words(error))
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while not self._ended.is_set():
            await self._wait()
            try:
                await self._tell()
                if not self._ended.is_set():
                    await self._care()
            except Exception as error:
                self._fail(error)
            else:
                if self._failures:
                    log.info("the serving store answers again")
                self._failures = 0

    async def _wait(self) -> None:
        if self._failures:
            # No decision or event shortens the pause.
            await _set_within(self._ended, min(LONGEST_PAUSE, 0.05 * 2 ** min(self._failures, 8)))
        elif not self._events:
            await _set_within(self._wake, LOOK_SECONDS)
        pause = self._next_events - time.monotonic()
        if pause > 0:
            await _set_within(self._urgent, pause)
        self._wake.clear()
        self._urgent.clear()

    def _fail(self, error: Exception) -> None:
        if not self._failures:
            log.warning("the serving store cannot be told of decisions: %s", _words(error))
        self._failures += 1
        self._metrics.overlay_failures.inc()

    async def _tell(self) -> None:
        """Tells decisions, then events: none of somebody who has withdrawn comes after that."""
        while True:
            subjects, last = self._outbox.waiting(BATCH)
            if not subjects:
                break
            await self._change(self._decided(subjects, is_new=True))
            self._outbox.told(last)
        started = time.monotonic()
        if started < self._next_events and not self._ended.is_set():
            return
        some = [self._events.popleft() for _ in range(min(MOST_EVENTS, len(self._events)))]
        try:
            await self._change(self._done(some))
        except BaseException:
            self._events.extendleft(reversed(some))
            self._drop()
            raise
        ended = time.monotonic()
        if some:
            self._next_events = ended + max(self._config.flush_seconds, PAUSE * (ended - started))

    async def _tell_rest(self) -> None:
        await self._tell()
        while self._events:
            await self._tell()

    async def _care(self) -> None:
        """Tells of everybody where the overlay knows nobody, and removes what is too old."""
        clock = time.monotonic()
        marker: Address = (CONSENTS, subject_id("collector", self._outbox.name))
        if self._page is None and clock >= self._next_check:
            self._next_check = clock + CHECK_SECONDS
            known = await self._in_thread(lambda: self._overlay.get_many([marker]))
            # It is new, or was lost; or decisions were not told for a while.
            self._page = FIRST if known == [None] else None
        if self._page is not None:
            subjects = self._outbox.everybody(self._page, BATCH)
            await self._change(self._decided(subjects, is_new=False))
            self._page = subjects[-1] if subjects else None
            if not subjects:
                told = LiveRecord(b"{}", now(), now() + KEPT)
                await self._in_thread(lambda: self._overlay.put_many([(marker, told)]))
            self._wake.set()
        if clock >= self._next_prune:
            self._next_prune = clock + PRUNE_SECONDS
            await self._in_thread(self._overlay.prune)

    def _decided(self, subjects: Sequence[Subject], is_new: bool) -> dict[Address, Change]:
        """What subjects decided; whoever has just said no has no recent events either."""
        changes: dict[Address, Change] = {}
        for subject in subjects:
            # None for one that has another name by now, under which it is told.
            decisions = self._outbox.decisions(subject)
            for purpose, sites in decisions.items():
                changes[DECISIONS[purpose], subject_id(*subject)] = with_decisions(sites)
            lately = decisions.get(PERSONALISATION, {}).values()
            if is_new and not all(one.is_granted for one in lately):
                changes[RECENT, subject_id(*subject)] = removal(self._reach)
        return changes

    def _done(self, waiting: Sequence[_Waiting]) -> dict[Address, Change]:
        """What people did, but for those who have said no since."""
        events: dict[str, list[RecentEvent]] = {}
        for one in waiting:
            if self._decision_of(dict(one.persons), one.key) is not False:
                event = one.event()
                for kind, identifier in one.persons.items():
                    events.setdefault(subject_id(kind, identifier), []).append(event)
        most = self._config.items
        return {
            (RECENT, subject): with_events(own, most, self._reach)
            for subject, own in events.items()
        }

    def _drop(self) -> None:
        n_dropped = len(self._events) - self._config.max_pending
        for _ in range(n_dropped):
            self._events.popleft()
        if n_dropped > 0:
            self._metrics.overlay_dropped.inc(n_dropped)

    async def _change(self, changes: Mapping[Address, Change]) -> None:
        if changes:
            await self._in_thread(lambda: self._overlay.change_many([*changes.items()]))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or the time is over."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _words(error: Any) -> str:
    return str(error) or type(error).__name__
