"""Ends connections whose headers do not come or do not end: each holds a place, and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sparkperso.collect.problems import JSON, Problem, busy

MAX_HEAD = 65_536
"""Bytes of a request line and its headers; what came at once with their end is not counted."""
NO_HTTP = Problem(400, "no_http", "A request should be HTTP/1.1; this one cannot be read.")
FULL = busy("The collector has all the connections that it takes. Send the events again.")
TOO_LONG = Problem(431, "headers", f"Headers should have {MAX_HEAD} bytes at most.")


class Patience(HttpToolsProtocol):
    """uvicorn's protocol, which notes since when it waits for the headers of a request."""

    waiting: ClassVar[dict[Patience, float]] = {}
    head = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # uvicorn's own answer to one too many is no problem document, and has no Retry-After.
        self.limit_concurrency = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.waiting[self] = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the headers are too long."""
        super().data_received(data)
        if self in self.waiting:
            self.head += len(data)
            if self.head > MAX_HEAD:
                self._refuse(TOO_LONG)

    def send_400_response(self, msg: str) -> None:
        """Says that a request is no HTTP, as a problem document like all others."""
        self._refuse(NO_HTTP)

    def on_message_begin(self) -> None:
        """Begins to wait for the headers of a request on a connection that is kept."""
        super().on_message_begin()
        self.waiting.setdefault(self, self.loop.time())

    def on_headers_complete(self) -> None:
        """Has what it waited for."""
        self.waiting.pop(self, None)
        self.head = 0
        most = self.config.limit_concurrency
        is_full = most is not None and len(self.connections) > most
        self.app = FULL.response() if is_full else self.config.loaded_app
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def _refuse(self, problem: Problem) -> None:
        """Answers and closes: what else comes on this connection belongs to no request."""
        answer = problem.response()
        lines = f"HTTP/1.1 {problem.status} {problem.body()['title']}\r\ncontent-type: {JSON}\r\n"
        length = f"content-length: {len(answer.body)}\r\nconnection: close\r\n\r\n"
        self.transport.write((lines + length).encode() + bytes(answer.body))
        self.transport.close()


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
