"""Ends connections whose request line and headers do not come: each of them holds a place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Patience(HttpToolsProtocol):
    """uvicorn's protocol, which notes since when it waits for the headers of a request."""

    waiting: ClassVar[dict[Patience, float]] = {}

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.waiting[self] = self.loop.time()

    def on_message_begin(self) -> None:
        """Begins to wait for the headers of a request on a connection that is kept."""
        super().on_message_begin()
        self.waiting.setdefault(self, self.loop.time())

    def on_headers_complete(self) -> None:
        """Has what it waited for."""
        self.waiting.pop(self, None)
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self.waiting.pop(self, None)
        super().connection_lost(exc)


@asynccontextmanager
async def impatience(seconds: float) -> AsyncIterator[None]:
    """Closes, while the block runs, what waits for longer than `seconds`."""
    sweeper = asyncio.create_task(_sweep(seconds))
    try:
        yield
    finally:
        sweeper.cancel()


async def _sweep(seconds: float) -> None:
    while True:
        await asyncio.sleep(min(1.0, seconds / 2))
        now = asyncio.get_running_loop().time()
        for protocol in [p for p, since in Patience.waiting.items() if now - since > seconds]:
            protocol.transport.close()
