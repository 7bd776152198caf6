"""Group commit: requests that wait at the same time share one write and one fsync."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sparkperso.services.http.problems import busy

Chunk = bytes
log = logging.getLogger("sparkperso.collect")


class GroupCommit:
    """Collects chunks while one commit runs in its thread, then commits them together.

    `commit(chunks)` runs in a thread of its own, never twice at a time. Whatever it raises, none of
    the chunks may be counted on: those who wait for them hear so, and the next ones get their turn.
    """

    def __init__(self, commit: Callable[[list[Chunk]], None], max_pending_bytes: int) -> None:
        self._commit, self._max_bytes = commit, max_pending_bytes
        self._waiting: list[tuple[Chunk, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._thread = ThreadPoolExecutor(1, "spool")
        self._worker: asyncio.Task[None] | None = None
        self.failure: str | None = None

    async def put(self, chunk: Chunk) -> None:
        """Returns when the chunk is committed; raises a 503 Problem when it is not.

        That is when commits fail, or when more than `max_pending_bytes` would wait for one.
        """
        if self._pending_bytes + len(chunk) > self._max_bytes:
            raise busy("The disk does not keep up with the events. Nothing was stored: send again.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((chunk, done))
        self._pending_bytes += len(chunk)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        await done

    async def run(self, function: Callable[[], None]) -> None:
        """Runs a function in the commits' thread, between two of them."""
        await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def drain(self) -> None:
        """Waits until nothing is pending."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()

    async def _work(self) -> None:
        try:
            while self._waiting:
                # All that came while the last commit ran goes with the next one.
                group, self._waiting = self._waiting, []
                await self._commit_group(group)
        finally:
            self._worker = None

    async def _commit_group(self, group: list[tuple[Chunk, asyncio.Future[None]]]) -> None:
        chunks = [chunk for chunk, _ in group]
        # What stays where even this task is cancelled: nobody waits for ever.
        failure: str | None = "it was ended"
        try:
            await self.run(lambda: self._commit(chunks))
            failure = None
        except OSError as error:
            failure = error.strerror or type(error).__name__
        except Exception as error:
            failure = type(error).__name__
            log.exception("a commit failed")
        finally:
            self.failure = failure
            self._pending_bytes -= sum(map(len, chunks))
            for _, done in group:
                if done.done():  # the client has gone
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    text = (
                        f"The spool cannot be written: {failure}. Nothing was stored: send again."
                    )
                    done.set_exception(busy(text, 5))
