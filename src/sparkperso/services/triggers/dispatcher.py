"""Follows the history of segments and delivers what it fires, until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from sparkperso.config import Settings
from sparkperso.core.errors import SparkpersoError
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.table_feed import Row, TableFeed, add_rows
from sparkperso.services.http.outbound import Outbound
from sparkperso.services.stores.base import StoreError
from sparkperso.services.triggers.attempt import attempt, wait_after
from sparkperso.services.triggers.consents import Consents
from sparkperso.services.triggers.definitions import ReadyTrigger, Triggers
from sparkperso.services.triggers.leases import Lease, make_lease, triggers_folder
from sparkperso.services.triggers.letters import DEAD_LETTERS
from sparkperso.services.triggers.metrics import TriggerMetrics
from sparkperso.services.triggers.planner import HISTORY, Planner
from sparkperso.services.triggers.queue import Delivery, Queue

TICK_SECONDS = 0.1
"""How often it is looked whether something is due."""
GATHER_SECONDS = 0.005
"""What ends meanwhile is followed by the next ones in one look."""
KEEP_SECONDS = 0.5
"""How often dead letters are written down, and figures told."""
END_SECONDS = 3.0
"""What is under way at the end gets so long; what is cut off then is sent again."""
STORE_SECONDS = 5.0
"""After so long a person is looked up again where the store did not answer."""
MOST_DEAD = 1_000
"""Dead letters that are written in one commit."""
DISABLED = "The receiver was gone (410): the trigger rests until its file is another"
REMOVED = "No enabled trigger has this name any more"
log = logging.getLogger("sparkperso.triggers")


class Dispatcher:
    """Delivers the messages of all triggers; of several on one lake one is active.

    Messages of one trigger about one person go one after the other, in the order of the history;
    all others side by side, up to the trigger's `concurrency`. Each trigger has connections of its
    own, so that none waits for another's receiver.
    """

    def __init__(
        self, settings: Settings, triggers: Triggers, metrics: TriggerMetrics | None = None
    ) -> None:
        """Raises UsageError for a lake that is in a catalog, ConfigError without any folder."""
        self._settings, self._ready = settings, triggers.ready
        self._metrics = metrics or TriggerMetrics()
        self._lake, self._lease = LakeReader(settings.lake), make_lease(settings)
        self._folder = triggers_folder(settings)

    async def run(
        self,
        stop: asyncio.Event,
        say: Callable[[str], None] = log.info,
        *,
        from_end: bool = False,
    ) -> None:
        """Delivers until `stop` is set; raises what keeps it from starting."""
        while not stop.is_set():
            if not await self._acquire(stop, say):
                return
            shift = None
            try:
                shift = _Shift(self._settings, self._ready, self._metrics, self._lake, self._lease)
                say(await asyncio.to_thread(shift.begin, self._folder, from_end))
                from_end = False
                self._metrics.set_active(True)
                await shift.work(stop)
            except StoreError as error:
                log.error("%s", error)
                await _wait(stop, STORE_SECONDS)
            finally:
                self._metrics.set_active(False)
                if shift:
                    await shift.close()
                self._lease.release()
            if not stop.is_set():
                log.warning("this dispatcher does not have the lease any more: it tries to get it")

    async def _acquire(self, stop: asyncio.Event, say: Callable[[str], None]) -> bool:
        """Waits for the lease; returns False where it was told to end meanwhile."""
        said = ""
        while not stop.is_set():
            words = "Another dispatcher is active on this lake: this one waits for its turn"
            try:
                if await asyncio.to_thread(self._lease.acquire):
                    return True
            except StoreError as error:
                words = str(error)
            if words != said:
                say(words)
                said = words
            await _wait(stop, self._settings.triggers.poll_seconds)
        return False


@dataclass
class _Line:
    """One trigger's messages under way, and its connections."""

    trigger: ReadyTrigger
    outbound: Outbound
    under_way: dict[str, asyncio.Task[None]]
    rests_until: float = 0.0
    """What became of a message could not be noted: it is not to be sent again at once."""


class _Shift:
    """The time for which one process has the lease."""

    def __init__(
        self,
        settings: Settings,
        ready: Mapping[str, ReadyTrigger],
        metrics: TriggerMetrics,
        lake: LakeReader,
        lease: Lease,
    ) -> None:
        self._settings, self._config, self._ready = settings, settings.triggers, dict(ready)
        self._metrics, self._lake, self._lease = metrics, lake, lease
        self._lines: dict[str, _Line] = {}
        self._closers: list[Callable[[], None]] = []
        self._problems: dict[str, str] = {}
        self._wake = asyncio.Event()

    def begin(self, path: Path, from_end: bool) -> str:
        """Opens queue and store, and returns where the history is read from."""
        # A connection for each thread that writes: what one takes back is its own alone.
        self._queue, self._reading, self._looking = Queue(path), Queue(path), Queue(path)
        self._closers += [self._queue.close, self._reading.close, self._looking.close]
        self._consents = Consents(self._settings, self._lake)
        self._closers.append(self._consents.close)
        feed = TableFeed(self._lake, HISTORY)
        self._planner = Planner(feed, self._reading, self._consents, self._metrics)
        self._sort_out()
        return self._planner.begin(self._lease.bookmark(), from_end=from_end)

    def _sort_out(self) -> None:
        """Drops triggers whose receivers are gone, and gives up what waits for none."""
        for name, fingerprint in self._queue.disabled().items():
            one = self._ready.get(name)
            if one and one.fingerprint == fingerprint:
                log.warning(
                    "trigger %s rests: its receiver was gone, and its file is as it was", name
                )
                del self._ready[name]
            else:
                self._queue.enable(name)
        for name, one in self._ready.items():
            self._lines[name] = _Line(one, Outbound(self._settings.outbound), {})
        self._give_up_unready(self._queue.backlog())

    def _give_up_unready(self, names: Iterable[str]) -> None:
        """Makes dead letters of what waits for triggers that are not to fire."""
        for name in names:
            if name not in self._ready:
                error = DISABLED if name in self._queue.disabled() else REMOVED
                under_way = list(self._lines[name].under_way) if name in self._lines else []
                n = self._queue.give_up_all(name, time.time(), error, under_way)
                self._metrics.count(name, "dead", n)

    async def work(self, stop: asyncio.Event) -> None:
        """Works until it is told to stop, or the lease is lost."""
        ended = asyncio.Event()
        loops = [
            asyncio.create_task(self._repeat(ended, self._read, "history")),
            asyncio.create_task(self._repeat(ended, self._keep, "dead letters")),
            asyncio.create_task(self._deliver(ended)),
            asyncio.create_task(self._hold(ended)),
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*loops, stopped], return_when=asyncio.FIRST_COMPLETED)
            is_lost = not stop.is_set()
        finally:
            ended.set()
            self._wake.set()
            stopped.cancel()
        tasks = [task for line in self._lines.values() for task in line.under_way.values()]
        if tasks and not is_lost:
            await asyncio.wait(tasks, timeout=END_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.wait([*tasks, *loops])
        for one in loops:
            one.result()
        if not is_lost:
            with suppress(SparkpersoError):
                await self._keep()

    async def close(self) -> None:
        """Closes what is open."""
        for line in self._lines.values():
            await line.outbound.close()
        for close in reversed(self._closers):
            close()

    async def _repeat(
        self, ended: asyncio.Event, act: Callable[[], Awaitable[float]], what: str
    ) -> None:
        """Does something again and again; what goes wrong is told once, and tried again."""
        while not ended.is_set():
            try:
                seconds = await act()
                if self._problems.pop(what, None):
                    log.info("%s: it works again", what)
            except SparkpersoError as error:
                if self._problems.get(what) != str(error):
                    log.error("%s: %s", what, error)
                self._problems[what] = str(error)
                seconds = STORE_SECONDS
            await _wait(ended, seconds)

    async def _read(self) -> float:
        """Takes the next version of the history; returns after how many seconds to look again."""
        waiting = await asyncio.to_thread(self._reading.count)
        if waiting >= self._config.max_waiting:
            return self._config.poll_seconds
        await asyncio.to_thread(self._consents.refresh)
        if not await asyncio.to_thread(self._planner.step, dict(self._ready)):
            return self._config.poll_seconds
        self._wake.set()
        return 0.0

    async def _keep(self) -> float:
        """Writes dead letters down, and tells figures; returns the seconds until the next time."""
        letters = self._queue.dead(MOST_DEAD)
        if letters:
            await asyncio.to_thread(
                add_rows, self._lake, DEAD_LETTERS, [_row(one) for one in letters]
            )
            self._queue.remove([one.delivery_id for one in letters])
        backlog = await asyncio.to_thread(self._looking.backlog)
        # The history was being read while a trigger came to rest.
        self._give_up_unready(backlog)
        self._metrics.show(self._ready, backlog)
        settled = await asyncio.to_thread(self._looking.settled)
        if settled:
            await asyncio.to_thread(self._lease.note, settled)
        return 0.0 if len(letters) == MOST_DEAD else KEEP_SECONDS

    async def _hold(self, ended: asyncio.Event) -> None:
        """Ends when the lease is lost."""
        while not ended.is_set():
            if not await asyncio.to_thread(self._lease.renew):
                return
            await _wait(ended, self._config.lease_seconds / 5)

    async def _deliver(self, ended: asyncio.Event) -> None:
        """Starts what is due, as long as its trigger has room."""
        while not ended.is_set():
            self._wake.clear()
            for name, line in self._lines.items():
                if name in self._ready:
                    self._start_due(line)
            await _wait(self._wake, TICK_SECONDS)
            # Some at a time: each look at the queue costs as much as a delivery.
            await asyncio.sleep(GATHER_SECONDS)

    def _start_due(self, line: _Line) -> None:
        room = line.trigger.config.concurrency - len(line.under_way)
        if room <= 0 or time.time() < line.rests_until:
            return
        most = room + len(line.under_way)
        for one in self._queue.due(line.trigger.name, time.time(), most):
            if room and one.delivery_id not in line.under_way:
                room -= 1
                task = asyncio.create_task(self._send(line, one))
                line.under_way[one.delivery_id] = task
                task.add_done_callback(partial(self._done, line, one.delivery_id))

    def _done(self, line: _Line, delivery_id: str, task: asyncio.Task[None]) -> None:
        line.under_way.pop(delivery_id)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            line.rests_until = time.time() + STORE_SECONDS
            log.error("trigger %s: %s", line.trigger.name, error)

    async def _send(self, line: _Line, delivery: Delivery) -> None:
        """Tries a message once, and notes what became of it."""
        trigger, key = line.trigger, delivery.delivery_id
        try:
            purpose = trigger.config.consent
            if await asyncio.to_thread(self._consents.withdrew, delivery.user_id, purpose):
                self._queue.remove([key])
                self._metrics.count(trigger.name, "withdrawn")
                return
        except SparkpersoError:
            # Who may have withdrawn is not told of. It was no attempt.
            words = "The serving store did not answer"
            due = time.time() + STORE_SECONDS
            self._queue.postpone(key, due, delivery.last_status, words, tried=False)
            return
        verdict = await attempt(line.outbound, trigger, key, delivery.body.encode())
        if verdict.outcome == "delivered":
            self._queue.remove([key])
            self._metrics.count(trigger.name, "delivered")
            return
        n = delivery.attempts + 1
        is_last = n >= trigger.config.attempts or trigger.name not in self._ready
        if verdict.outcome == "failed" and not is_last:
            wait = wait_after(n, verdict.retry_after, self._config)
            self._queue.postpone(key, time.time() + wait, verdict.status, verdict.words)
            self._metrics.count(trigger.name, "failed")
            return
        self._queue.give_up(key, time.time(), verdict.status, verdict.words)
        self._metrics.count(trigger.name, "dead")
        log.warning("trigger %s: %s is a dead letter. %s", trigger.name, key, verdict.words)
        if verdict.outcome == "gone":
            self._disable(line)

    def _disable(self, line: _Line) -> None:
        """Lets a trigger rest whose receiver wants no more; what waits for it is dead letters."""
        name = line.trigger.name
        if self._ready.pop(name, None) is None:
            return
        self._queue.disable(name, line.trigger.fingerprint)
        log.warning("trigger %s: %s", name, DISABLED)
        self._give_up_unready([name])


def _row(one: Delivery) -> Row:
    """A dead letter as ops/dead_letters has it."""
    assert one.dead_at is not None
    return {
        "delivery_id": one.delivery_id,
        "trigger": one.trigger,
        "host": one.host,
        "user_id": one.user_id,
        "segment": one.segment,
        "change": one.change,
        "body": one.body,
        "first_at": _moment(one.first_at),
        "last_at": _moment(one.dead_at),
        "attempts": one.attempts,
        "last_status": one.last_status,
        "last_error": one.last_error or "",
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Waits until an event is set, so many seconds at most."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
