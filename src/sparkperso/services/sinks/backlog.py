"""What is noted at once and written soon: lines that wait for a sink, beside the requests."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

from sparkperso.services.http.problems import Problem
from sparkperso.services.sinks.base import Line, Sink

FLUSH_SECONDS = 0.2
"""How long a line waits at most: what a killed process loses."""
RETRY_SECONDS = 1.0
"""How long to wait where the sink does not take lines."""
AT_ONCE, SHARE = 50, 20
"""Lines that are made in a row, in about a millisecond; and the part of all that wait, where that
is more: a busy process must not note faster than it writes."""
Noted = TypeVar("Noted")


class Backlog(Generic[Noted]):
    """Keeps what is noted until a sink has it, in order; one event loop uses it.

    A request never waits for the sink. What it does not take is kept, up to `most`, and written
    once it does; what comes beyond is lost, counted in `lost`, and said in the log. Without a sink
    nothing is kept.
    """

    def __init__(
        self,
        sink: Sink | None,
        line: Callable[[Noted], Line],
        *,
        most: int,
        lines: int,
        name: str,
        log: logging.Logger,
    ) -> None:
        """`line` makes a line of what was noted, `lines` at a time; `name` is what the log says."""
        self._sink, self._line, self._most, self._lines = sink, line, most, lines
        self._name, self._log = name, log
        self._pending: deque[Noted] = deque()
        # A flush that is under way is never cut off, nor doubled: its lines would come twice.
        self._flushing, self._is_ended = asyncio.Lock(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_open = False
        self.lost = 0
        self.failure: str | None = None

    @property
    def is_kept(self) -> bool:
        """Says whether there is a sink at all."""
        return self._sink is not None

    @property
    def n_waiting(self) -> int:
        """Returns how many lines wait."""
        return len(self._pending)

    def add(self, noted: Noted) -> bool:
        """Notes something; returns False where it is lost, since too much waits already."""
        if self._sink is None:
            return True
        if len(self._pending) >= self._most:
            if not self.lost:
                self._log.error(
                    "lines of %s are lost: %d wait for the disk", self._name, self._most
                )
            self.lost += 1
            return False
        self._pending.append(noted)
        return True

    async def start(self) -> None:
        """Begins to write, where there is a sink at all; one that cannot be opened is tried again.

        What waits for it is kept meanwhile, and `failure` says why.
        """
        if self._sink is not None:
            await self._open(self._sink)
            self._task = asyncio.create_task(self._work())

    async def check(self) -> str | None:
        """Returns why lines cannot be written now; None where they can, or none are kept."""
        if self._sink is None:
            return None
        return self.failure or await self._sink.check()

    async def close(self) -> None:
        """Writes what waits, and closes the sink."""
        if self._task is None or self._sink is None:
            return
        self._is_ended.set()
        await self._task
        await self.flush()
        if self._pending:
            self._log.error(
                "%d lines of %s are lost: %s", len(self._pending), self._name, self.failure
            )
        if self._is_open:
            await self._sink.close()

    async def flush(self) -> None:
        """Writes what waits, as far as the sink takes it; `failure` says why it does not."""
        async with self._flushing:
            if self._sink is None or not await self._open(self._sink):
                return
            while self._pending:
                part = [*islice(self._pending, self._lines)]
                lines: list[Line] = []
                while len(lines) < len(part):
                    at_once = max(AT_ONCE, len(self._pending) // SHARE)
                    lines += map(self._line, part[len(lines) : len(lines) + at_once])
                    # Requests go first: all lines together would keep one waiting for long.
                    await asyncio.sleep(0)
                try:
                    await self._sink.put(lines)
                except Problem as problem:
                    self._fail(problem.detail)
                    return
                self.failure = None
                for _ in part:
                    self._pending.popleft()

    async def _open(self, sink: Sink) -> bool:
        """Opens the sink, unless it is open; returns whether it is."""
        if not self._is_open:
            try:
                await sink.start()
            except OSError as error:
                self._fail(str(error))
                return False
            self._is_open, self.failure = True, None
        return True

    def _fail(self, why: str) -> None:
        if self.failure is None:
            self._log.warning("%s waits for the disk: %s", self._name, why)
        self.failure = why

    async def _work(self) -> None:
        while not self._is_ended.is_set():
            seconds = FLUSH_SECONDS if self.failure is None else RETRY_SECONDS
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_ended.wait(), seconds)
            await self.flush()
