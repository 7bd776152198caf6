"""Bounds what one connection may hold, and for how long: each holds a place, and memory.

1. A connection takes a place of its sender's; without one it is answered and closed.
2. It has a time by which something must have happened: its headers or its body must have come (read
   or not, answered or not), an answer must be read, a next request must begin.
3. Each event of uvicorn's protocol that changes what is waited for sets that time anew.
4. One sweep a second closes those that are due, and drops those that do not close.

WebSockets are connections like all others.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sparkperso.config.connections import ConnectionLimits
from sparkperso.config.platform import LoggingConfig
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.limits import ConcurrencyLimits
from sparkperso.services.http.logs import service_logging
from sparkperso.services.http.problems import JSON, Problem
from sparkperso.services.http.process.drain import DRAIN

MAX_HEAD = 65_536
"""Bytes of a request line and its headers; what came at once with their end is not counted."""
MAX_HEADERS = 128
"""Header lines of a request."""
MAX_WAITING = 256
"""Requests that may wait on one connection for the answers to those before them."""
MAX_OVERHEAD = 8
"""Bytes as sent per byte of a body: one byte in a chunk of its own takes six."""
HEADROOM = 256
"""Connections beyond the limit that still get an answer to their request; others are cut off."""
AT_ONCE = {"Retry-After": "1", "Connection": "close"}
NO_HTTP = Problem(400, "no_http", "A request should be HTTP/1.1; this one cannot be read.")
FULL = Problem(
    503,
    "busy",
    "This service has all the connections that it takes. Send the request again.",
    AT_ONCE,
)
CROWDED = Problem(
    429, "too_many", "This address has all the connections that one may have.", AT_ONCE
)
TOO_LONG = Problem(431, "headers", f"Headers should have {MAX_HEAD} bytes at most.")
TOO_MANY = Problem(
    431, "headers", f"There should be {MAX_HEADERS} headers at most.", {"Connection": "close"}
)
TOO_LARGE = Problem(413, "too_large", "The body takes more bytes than its limit allows.")


class ServerConfig(uvicorn.Config):
    """How uvicorn serves: `limits`, log lines, no headers of its own; what connections share.

    It travels to the processes of workers, which make what they share themselves.
    """

    def __init__(
        self,
        app: Any,
        limits: ConnectionLimits,
        trusted_proxies: Sequence[str],
        logging: LoggingConfig,
        drain_seconds: float = 0.0,
        **options: Any,
    ) -> None:
        """`drain_seconds` pass between the signal to end and the last request that is taken."""
        super().__init__(
            app,
            http=HeaderTimeoutProtocol,
            ws=Socket,
            loop="uvloop",
            lifespan="on",
            access_log=False,
            log_config=service_logging(logging),
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws_max_size=limits.max_body_bytes,
            timeout_keep_alive=math.ceil(limits.idle_seconds),
            timeout_graceful_shutdown=limits.shutdown_seconds,
            **options,
        )
        self.limits, self.trusted_proxies = limits, tuple(trusted_proxies)
        self.drain_seconds = drain_seconds
        self.max_streams = min(self.limits.max_streams, self.limits.max_connections // 2)

    @cached_property
    def addresses(self) -> Addresses:
        """Returns who the peers of connections are."""
        return Addresses(self.trusted_proxies)

    @cached_property
    def places(self) -> ConcurrencyLimits:
        """Returns how many connections each sender holds."""
        return ConcurrencyLimits(self.limits.max_connections_per_address)


class TimedConnection:
    """A connection that ends when it is due."""

    watched: ClassVar[set[TimedConnection]] = set()
    transport: asyncio.Transport
    due = math.inf

    def end(self, now: float, seconds: float) -> None:
        """Closes the connection, or drops it when its peer did not read to the end in time."""
        if self.transport.is_closing():
            self.transport.abort()
        else:
            self.transport.close()
        self.due = now + seconds


class HeaderTimeoutProtocol(HttpToolsProtocol, TimedConnection):
    """uvicorn's protocol, with bounds."""

    config: ServerConfig
    sender: str | None = None
    has_place = False
    is_open = False
    """A request has begun whose end has not come."""
    has_head = False
    has_news = False
    """The piece that is read has begun or ended something, so that the time is another."""
    taken = 0
    """Bytes of the open request, from the piece after the one that it began in."""
    piece = 0
    unread_since = 0.0
    active: RequestResponseCycle | None = None
    """The request that is being answered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # uvicorn's own reply to one too many is no problem document, and has no Retry-After.
        self.limit_concurrency = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request, if there is a place."""
        super().connection_made(transport)
        self.watched.add(self)
        self._reckon()
        self.sender = self.config.addresses.of_peer(self.client[0] if self.client else None)
        self.has_place = self.config.places.take(self.sender)
        if not self.has_place:
            self._refuse(CROWDED)
        elif len(self.connections) > self.config.limits.max_connections + HEADROOM:
            self._refuse(FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self.watched.discard(self)
        if self.has_place:
            self.config.places.give_back(self.sender)
        if self.active is not None:  # uvicorn knows the last of several that came in one piece
            self.active.disconnected = True
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, unless the request is too long."""
        if self.transport.is_closing():
            return
        self.piece = len(data)
        super().data_received(data)
        self.taken += len(data)
        # Once per piece, not per request in it: a piece may hold hundreds.
        if self.has_news:
            self.has_news = False
            self._reckon()
        if self.is_open and not self.has_head and self.taken > MAX_HEAD:
            self._refuse(TOO_LONG)
        elif self.is_open and self.taken > self.config.limits.max_body_bytes * MAX_OVERHEAD:
            self._refuse(TOO_LARGE)

    def send_400_response(self, msg: str) -> None:
        """Says that a request is no HTTP, as a problem document like all others."""
        self._refuse(NO_HTTP)

    def on_message_begin(self) -> None:
        """Begins to wait for headers."""
        super().on_message_begin()
        self.is_open = self.has_news = True
        # The piece that it begins in is added once it is read: only later pieces count.
        self.has_head, self.taken = False, -self.piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header. What comes after the body (trailers) is none, and is dropped."""
        if not self.has_head and len(self.headers) <= MAX_HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins to wait for the body."""
        self.has_head = True
        # Answered as if it were the application: uvicorn then keeps the order of pipelined answers.
        if len(self.headers) > MAX_HEADERS:
            self.app = TOO_MANY.response()
        elif len(self.connections) > self.config.limits.max_connections:
            self.app = FULL.response()
        else:
            self.app = self.config.loaded_app
        super().on_headers_complete()
        # While it drains, the client comes back by another connection, to who listens then; and a
        # body that nobody reads to its end leaves none for a next request.
        if self.cycle is not None and (DRAIN.is_begun or self._announces_too_much()):
            self.cycle.keep_alive = False
        self.has_news = True
        if len(self.pipeline) > MAX_WAITING:
            self.transport.close()

    def on_message_complete(self) -> None:
        """Has the whole request."""
        super().on_message_complete()
        self.is_open, self.has_news = False, True

    def on_response_complete(self) -> None:
        """Waits for the rest of the request, which nobody reads, or for the next one."""
        super().on_response_complete()
        self._reckon()

    def pause_writing(self) -> None:
        """Begins to wait for the client to read; what it sends meanwhile gives it no more time."""
        super().pause_writing()
        self.unread_since = self.loop.time()
        self._reckon()

    def resume_writing(self) -> None:
        """Goes on."""
        super().resume_writing()
        self._reckon()

    def handle_websocket_upgrade(self) -> None:
        """Makes the connection a WebSocket, if one more may be open."""
        limits, streams = self.config.limits, sum(type(one) is Socket for one in self.watched)
        if streams >= self.config.max_streams or len(self.connections) > limits.max_connections:
            self._refuse(FULL)
            return
        # The WebSocket is watched in its place, and gives the sender's place back.
        self.watched.discard(self)
        self.ws_protocol_class = partial(Socket, sender=self.sender)  # type: ignore[assignment]
        super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Says nothing: a request for another protocol than WebSocket is answered as without it."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.active = cycle
        super()._start_asgi_task(cycle, app)

    def _announces_too_much(self) -> bool:
        lengths = (value for name, value in self.headers if name == b"content-length")
        return any(
            length.isdigit() and int(length) > self.config.limits.max_body_bytes
            for length in lengths
        )

    def _reckon(self) -> None:
        """Sets the time by which the next thing must have happened."""
        limits, cycle = self.config.limits, self.cycle
        if self.flow.write_paused:
            self.due = self.unread_since + limits.body_seconds
            return
        if cycle is not None and not cycle.response_complete:
            # Whoever reads the body says 408 in time; this is for those who do not.
            seconds = 2 * limits.body_seconds if cycle.more_body else math.inf
        else:
            waits = self.is_open or cycle is None
            seconds = limits.body_seconds if waits else limits.idle_seconds
        self.due = self.loop.time() + seconds

    def _refuse(self, problem: Problem) -> None:
        """Answers and closes: what else comes on this connection belongs to no request.

        A request whose answer was given before its end came has no second one: the client would
        take that for the answer to its next.
        """
        cycle, is_of_open = self.cycle, self.is_open and self.has_head
        is_before = cycle is not None and cycle.response_complete and not is_of_open
        if cycle is None or not cycle.response_started or is_before:
            self.transport.write(raw_answer(problem))
        self.transport.close()


class Socket(WebSocketsSansIOProtocol, TimedConnection):
    """uvicorn's WebSocket, with bounds."""

    config: ServerConfig

    def __init__(self, *args: Any, sender: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sender = sender
        self.close_timeout = self.config.limits.body_seconds

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the handshake."""
        super().connection_made(transport)
        self.watched.add(self)
        self.due = self.loop.time() + self.config.limits.body_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self.watched.discard(self)
        self.config.places.give_back(self._sender)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; says so when the handshake cannot be read, which uvicorn leaves open."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.write(raw_answer(NO_HTTP))
            self.transport.close()

    async def send(self, message: Any) -> None:
        """Sends on. A handshake that was refused is as complete as one that was accepted."""
        await super().send(message)
        is_last = message["type"] == "websocket.http.response.body"
        if is_last and not message.get("more_body", False):
            self.handshake_complete = True
        if message["type"] == "websocket.accept":
            self.due = math.inf

    async def receive(self) -> Any:
        """Gives the next message; reads no further while the client does not read."""
        message = await super().receive()
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()
        return message

    def pause_writing(self) -> None:
        """Waits for the client to read, and takes no more of its pings, which want answers."""
        super().pause_writing()
        self.transport.pause_reading()
        self.due = self.loop.time() + self.config.limits.body_seconds

    def resume_writing(self) -> None:
        """Goes on."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()
        self.due = math.inf


def raw_answer(problem: Problem) -> bytes:
    """Returns a problem as an HTTP/1.1 response after which the connection ends."""
    response = problem.response()
    lines = f"HTTP/1.1 {problem.status} {problem.body()['title']}\r\ncontent-type: {JSON}\r\n"
    lines += "".join(
        f"{name.lower()}: {value}\r\n"
        for name, value in problem.headers.items()
        if name != "Connection"
    )
    lines += f"content-length: {len(response.body)}\r\nconnection: close\r\n\r\n"
    return lines.encode() + bytes(response.body)


@asynccontextmanager
async def impatience(seconds: float) -> AsyncIterator[None]:
    """Ends, while the block runs, connections that are due: closed first, then dropped.

    `seconds` pass between the two, for their last words; one sweep a second looks at all.
    """
    sweeper = asyncio.create_task(_sweep(seconds))
    try:
        yield
    finally:
        sweeper.cancel()


async def _sweep(seconds: float) -> None:
    while True:
        # A bound of less than two seconds is looked at more often than once a second.
        await asyncio.sleep(min(1.0, seconds / 2))
        now = asyncio.get_running_loop().time()
        for one in list(TimedConnection.watched):
            if one.due <= now:
                one.end(now, seconds)
            # Closing without a time, such as a WebSocket whose peer never reads the end.
            elif one.due == math.inf and one.transport.is_closing():
                one.due = now + seconds
