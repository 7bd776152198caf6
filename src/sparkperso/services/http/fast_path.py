"""The route of nearly all requests, past layers that take longer than what it does."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from sparkperso.services.http.error_handlers import ErrorHandlers


class FastPath:
    """Sends requests that `is_fast(method, path)` straight to a handler, others on."""

    def __init__(
        self,
        is_fast: Callable[[str, str], bool],
        handler: ASGIApp,
        application: ASGIApp,
        errors: ErrorHandlers,
        log: logging.Logger,
    ) -> None:
        self._is_fast, self._handler, self._application = is_fast, handler, application
        self._errors, self._log = errors, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http" or not self._is_fast(scope["method"], scope["path"]):
            await self._application(scope, receive, send)
            return
        try:
            await self._handler(scope, receive, send)
        except Exception as error:
            response = self._errors.of(error)
            # Of other routes Starlette raises such an error again, for uvicorn's log.
            if response.status_code == 500:
                self._log.exception("%s failed", type(self._handler).__name__)
            await response(scope, receive, send)
