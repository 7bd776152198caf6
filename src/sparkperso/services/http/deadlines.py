"""Ends what takes too long. One sweep serves all: a timer per request costs more than it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

SWEEP_SECONDS = 0.5
Awaited = TypeVar("Awaited")


class Deadlines(Generic[Awaited]):
    """Gives tasks a time by which they must have got what they wait for, in seconds from then.

    A task waits for one thing at a time. Late ones are cancelled by the next sweep: SWEEP_SECONDS
    later at most, and a fifth of `seconds` where that is less.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._every = min(SWEEP_SECONDS, seconds / 5)
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def within(self, awaited: Awaitable[Awaited]) -> Awaited:
        """Returns what is waited for; raises TimeoutError when it takes longer than `seconds`."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        self._due[task] = loop.time() + self.seconds
        try:
            return await awaited
        except asyncio.CancelledError:
            # Cancelled by somebody else, such as a server that stops: that is no timeout.
            if task not in self._late:
                raise
            self._late.discard(task)
            raise TimeoutError from None
        finally:
            self._due.pop(task, None)

    async def _sweep(self) -> None:
        while self._due:
            await asyncio.sleep(self._every)
            now = asyncio.get_running_loop().time()
            for task in [task for task, due in self._due.items() if due <= now]:
                del self._due[task]
                self._late.add(task)
                task.cancel()
        self._sweeper = None
