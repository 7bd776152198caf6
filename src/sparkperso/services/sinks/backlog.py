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
        self.lost = 0
        self.failure: str | None = None

    @property
    def is_kept(self) -> bool:
        """Says whether there is a sink at all."""
        return self._sink is not None

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
        """Begins to write, where there is a sink at all."""
        if self._sink is not None:
            await self._sink.start()
            self._task = asyncio.create_task(self._work())

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
        await self._sink.close()

    async def flush(self) -> None:
        """Writes what waits, as far as the sink takes it; `failure` says why it does not."""
        async with self._flushing:
            while self._pending and self._sink is not None:
                part = [*islice(self._pending, self._lines)]
                try:
                    await self._sink.put([self._line(noted) for noted in part])
                except Problem as problem:
                    if self.failure is None:
                        self._log.warning("%s waits for the disk: %s", self._name, problem.detail)
                    self.failure = problem.detail
                    return
                self.failure = None
                for _ in part:
                    self._pending.popleft()

    async def _work(self) -> None:
        while not self._is_ended.is_set():
            seconds = FLUSH_SECONDS if self.failure is None else RETRY_SECONDS
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_ended.wait(), seconds)
            await self.flush()
