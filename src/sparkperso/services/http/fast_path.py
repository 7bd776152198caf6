"""The routes of nearly all requests, past layers that take longer than what they do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from sparkperso.services.http.error_handlers import ErrorHandlers


class FastRoute(Protocol):
    """A handler that says itself which requests are its own."""

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""


class FastPath:
    """Sends requests straight to the first of the handlers that serves them, others on."""

    def __init__(
        self,
        handlers: Sequence[FastRoute],
        application: ASGIApp,
        errors: ErrorHandlers,
        log: logging.Logger,
    ) -> None:
        self._handlers, self._application = tuple(handlers), application
        self._errors, self._log = errors, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        handler = self._handler_of(scope) if scope["type"] == "http" else None
        if handler is None:
            await self._application(scope, receive, send)
            return
        try:
            await handler(scope, receive, send)
        except Exception as error:
            response = self._errors.of(error)
            # Of other routes Starlette raises such an error again, for uvicorn's log.
            if response.status_code == 500:
                self._log.exception("%s failed", type(handler).__name__)
            await response(scope, receive, send)

    def _handler_of(self, scope: Scope) -> FastRoute | None:
        method, path = scope["method"], scope["path"]
        for handler in self._handlers:
            if handler.serves(method, path):
                return handler
        return None
