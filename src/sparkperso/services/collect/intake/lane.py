"""A lane of its own for work that would hold up everybody: one piece at a time, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sparkperso.services.http.problems import busy

T = TypeVar("T")
MAX_WAITING = 33_554_432
"""Bytes of requests that may wait for their turn; more are answered with 503."""


class Lane:
    """Runs heavy work beside the event loop, which goes on to answer the others."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="heavy")
        self._waiting, self._most = 0, max_waiting

    async def run(self, work: Callable[[], T], size: int) -> T:
        """Returns what `work` gives; raises a 503 Problem when too many bytes wait already.

        `size` is the bytes that it will look at; `work` runs in the lane's one thread, in turn.
        """
        # Alone, a piece of any size is taken: its bound is that of a body.
        if self._waiting and self._waiting + size > self._most:
            raise busy("Too much text waits to be searched for personal values.")
        self._waiting += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= size
