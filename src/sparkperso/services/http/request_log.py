"""Which request a log line belongs to, and one line per request for whoever wants them."""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
SAFE = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")
"""What is taken for an id: it goes into headers, lines and answers as it is."""
DIGITS, RANDOM_BYTES = 24, 12 * 256
"""Of an id of ours; and random bytes that are got at a time."""
NO_ROUTE = "none"
CONVERTOR = re.compile(r":\w+\}")
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
log = logging.getLogger("sparkperso.requests")


class OfRequest(logging.Filter):
    """Gives each line the ids of the request and the trace that it was written for."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leaves none out."""
        record.request_id, record.trace_id = REQUEST_ID.get(), TRACE_ID.get()
        return True


class RequestLog:
    """Gives each request an id: the header `X-Request-Id` that it has, else one of ours.

    The answer has it as a header, a problem document and each line of the log as a member. Of the
    requests the share `share` has a line of its own, and then each one that failed (500 and more);
    it names the route, never the path: that has ids of people.
    """

    def __init__(self, app: ASGIApp, share: float = 0.0) -> None:
        self._app, self._share = app, share
        self._due = 0.0
        self._random, self._place = "", 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id_of(scope)
        # Of this request's own task: nobody else sees it.
        REQUEST_ID.set(request_id)
        header = HEADER, request_id.encode()
        started, status = perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                nonlocal status
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._share and self._is_told(status):
                _tell(scope, status, perf_counter() - started)

    def _id_of(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == HEADER and SAFE.fullmatch(value):
                sent: str = value.decode()
                return sent
        if self._place >= len(self._random):
            # One call of the system for many requests.
            self._random, self._place = os.urandom(RANDOM_BYTES).hex(), 0
        begin = self._place
        self._place += DIGITS
        return self._random[begin : self._place]

    def _is_told(self, status: int) -> bool:
        self._due += self._share
        if self._due >= 1:
            self._due -= 1
            return True
        return status >= 500


def template_of(scope: Scope) -> str:
    """Returns the route that served a request, as its pattern."""
    route = scope.get("route")
    if isinstance(route, Route):
        return CONVERTOR.sub("}", route.path)
    return route if isinstance(route, str) else NO_ROUTE


def _tell(scope: Scope, status: int, seconds: float) -> None:
    method, route = scope["method"], template_of(scope)
    fields: dict[str, Any] = {
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 3),
        "caller": scope.get("caller"),
    }
    log.info("%s %s %d", method, route, status, extra={"fields": fields})
