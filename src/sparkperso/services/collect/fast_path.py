"""POST /v1/events past the layers that other requests go through: they take longer than it does."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from sparkperso.services.collect.routes.events import PostEvents
from sparkperso.services.http.error_handlers import ErrorHandlers

log = logging.getLogger("sparkperso.collect")


class FastPath:
    """Sends POST /v1/events straight to its handler, everything else to the application."""

    def __init__(
        self, post_events: PostEvents, application: ASGIApp, errors: ErrorHandlers
    ) -> None:
        self._post_events, self._application = post_events, application
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != PostEvents.route:
            await self._application(scope, receive, send)
            return
        try:
            await self._post_events(scope, receive, send)
        except Exception as error:
            response = self._errors.of(error)
            # Of other routes Starlette raises such an error again, for uvicorn's log.
            if response.status_code == 500:
                log.exception("POST /v1/events failed")
            await response(scope, receive, send)
