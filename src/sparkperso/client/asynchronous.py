"""The client for asyncio: a task of the running loop sends what is tracked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

import httpx

from sparkperso.client.base import PATH, SENT_AGAIN, Base


class AsyncClient(Base):
    """Sends events from a task in the background; used by `async with`.

    `track` does not wait: it writes into the queue, which takes some microseconds.
    """

    async def __aenter__(self) -> AsyncClient:
        self._loop = asyncio.get_running_loop()
        self._due, self._sent = asyncio.Event(), asyncio.Condition()
        self._task = self._loop.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def flush(self, timeout: float = 10.0) -> bool:
        """Sends what waits, without batching; returns whether all is sent within `timeout`."""
        self._due.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_empty(), timeout)
        return self.queued == 0

    async def close(self, timeout: float = 10.0) -> None:
        """Sends what waits, for `timeout` seconds, and ends; what is left stays in its file.

        Calling it again does nothing. Without a queue file what is left is lost, and logged.
        """
        if self._task.cancelled():
            return
        await self.flush(timeout)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._end()

    async def _until_empty(self) -> None:
        async with self._sent:
            await self._sent.wait_for(lambda: self.queued == 0)

    def _wake(self) -> None:
        # `track` may be called from another thread; asyncio's events are for the loop's alone.
        self._loop.call_soon_threadsafe(self._due.set)

    async def _run(self) -> None:
        async with httpx.AsyncClient(**self._http) as http:
            while True:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._due.wait(), self.options.flush_seconds)
                self._due.clear()
                await self._send_all(http)

    async def _send_all(self, http: httpx.AsyncClient) -> None:
        while self.queued:
            await asyncio.sleep(self._delivery.pause())
            try:
                batch = self._delivery.batch()
                response = await http.post(PATH, content=batch.body, headers=dict(batch.headers))
                self._note(batch, response)
            except SENT_AGAIN as error:
                self._delivery.failed(repr(error))
            async with self._sent:
                self._sent.notify_all()
